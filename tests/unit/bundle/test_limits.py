"""Every limit can be reached, and says which it is, what was found and what raises it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from safetycase import canonical
from safetycase.bundle.limits import DEFAULT_LIMITS, MEANINGS, changed, value_of
from safetycase.bundle.reader import open_case
from safetycase.bundle.writer import write_case
from safetycase.cli.main import main
from safetycase.errors import UsageError
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, honest_case, policy
from tests.unit.methods.plans import plan_data

EASY = sorted(set(MEANINGS) - {"ratio"})


@cache
def _case() -> bytes:
    return honest_case().to_bytes()


@pytest.mark.parametrize("name", EASY)
def test_a_limit_that_is_reached_is_a_finding(name: str) -> None:
    verdict = verify(_case(), policy(), at=AT, limits=changed({name: 2}))
    assert verdict.exit_code == 1
    assert Outcome.ERROR not in verdict.outcomes().values()
    told = [f.sentence for r in verdict.in_the_way() for f in r.findings]
    assert any(f"--limit {name}=N" in sentence for sentence in told), told
    assert any("found" in sentence for sentence in told)


def test_a_bomb_names_the_ratio(tmp_path: Path) -> None:
    path = tmp_path / "x.safetycase"
    members = {"case.json": b"{}", "plan.json": b"{}", "evidence/x.jsonl": b"0" * (2**24 + 1)}
    try:
        write_case(path, members)
    except Exception as error:  # noqa: BLE001 — the writer refuses what the reader would
        assert "--limit ratio=N" in str(error)  # noqa: PT017
    else:
        pytest.fail("the bomb was written")


@pytest.mark.parametrize("name", sorted(MEANINGS))
def test_a_limit_is_changed_by_its_name_and_no_other(name: str) -> None:
    limits = changed({name: 7})
    assert value_of(limits, name) == 7
    for other in set(MEANINGS) - {name}:
        assert value_of(limits, other) == value_of(DEFAULT_LIMITS, other)
    assert changed({}) == DEFAULT_LIMITS


@pytest.mark.parametrize("changes", [{"rows": 0}, {"seconds": 1}, {"max_rows": 5}])
def test_what_is_no_limit_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        changed(changes)


def test_a_plan_of_a_billion_arms_is_refused_before_they_are_listed(tmp_path: Path) -> None:
    plan = plan_data()
    plan["controls"]["random_directions"] = 10**9
    path = tmp_path / "x.safetycase"
    write_case(path, {"case.json": b"{}", "plan.json": canonical.write(plan)})
    verdict = verify(path, policy(), at=AT)
    (finding,) = verdict.findings["SCH-002"]
    assert finding.expected == "a plan of at most 100000 arms"
    assert "--limit arms=N" in finding.sentence


@pytest.mark.parametrize("given", ["rows", "rows=", "rows=many", "seconds=5", "rows=0"])
def test_an_option_that_says_nothing_is_refused(
    given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "x.safetycase"
    case.write_bytes(_case())
    assert main(["verify", str(case), "--limit", given]) == 2
    assert "--limit" in capsys.readouterr().err


def test_the_option_reaches_the_reader(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "x.safetycase"
    case.write_bytes(_case())
    assert main(["verify", str(case), "--limit", "members=2", "--limit", "rows=9"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    count = len(open_case(_case()).names)
    assert f"at most 2 members, found {count}. Raise it with --limit members=N." in said
