"""The whole run on the tiny world: its case, its repetition, its interruption, its faults."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import yaml

from safetycase import canonical
from safetycase.bundle.reader import open_case
from safetycase.bundle.tensors import read_tensors
from safetycase.cli.as_written import require_verified
from safetycase.errors import RunFailed, SafetyCaseError
from safetycase.methods import grid
from safetycase.methods.derive import arm_specs, derive_results
from safetycase.methods.grade import regrade
from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.run import answers, measure
from safetycase.run.bind import RunOptions
from safetycase.run.engines.local import InProcess
from safetycase.run.journal import read_status
from safetycase.run.pipeline import run
from safetycase.run.progress import Progress, Silent
from safetycase.tables.codec import read_table
from safetycase.tables.evidence import Evidence, Items, group_answers
from safetycase.tables.rows import ANSWER_KINDS
from tests.unit.run.tiny_world import DICTIONARY_CONFIG, Tiny, plan_value, write_dictionary

pytestmark = pytest.mark.run


@dataclass
class Clock:
    moment: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.moment += timedelta(hours=1)
        return self.moment


@dataclass
class Verified:
    paths: list[Path] = field(default_factory=list)

    def __call__(self, path: Path) -> None:
        assert "case.json" in open_case(path)
        self.paths.append(path)


@dataclass
class Interrupting(Silent):
    """Raises after so many rows, as a kill would stop the work."""

    rows_left: int

    def advance(self, parts: int) -> None:
        self.rows_left -= parts
        if self.rows_left < 0:
            raise KeyboardInterrupt


def write_plan(tiny: Tiny, value: dict | None = None) -> Path:
    folder = tiny.folder / "plan"
    folder.mkdir(exist_ok=True)
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(value or plan_value(), sort_keys=False))
    return path


def make(
    tiny: Tiny,
    out: Path,
    progress: Progress | None = None,
    *,
    batch_rows: int = 96,
    value: Any = None,
    **options: Any,
) -> Path:
    chosen = RunOptions(threads=1, batch_rows=batch_rows, **options)
    return run(
        write_plan(tiny, value),
        out,
        clock=Clock(),
        progress=progress or Silent(),
        verify=Verified(),
        options=chosen,
    )


@pytest.fixture(scope="module")
def case_path(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tiny, tmp_path_factory.mktemp("first"))


def members(path: Path) -> dict[str, bytes]:
    container = open_case(path)
    return {name: container.read(name) for name in container.names}


def timeless(path: Path) -> dict[str, object]:
    parts: dict[str, object] = dict(members(path))
    case = canonical.read(parts["case.json"], where="case.json")
    del case["times"]
    return {**parts, "case.json": case}


def opened(path: Path) -> tuple[Plan, str, Evidence, Case]:
    parts = members(path)
    plan = Plan.model_validate_json(parts["plan.json"])
    case = Case.model_validate_json(parts["case.json"])
    tables = {
        reference.kind: read_table(reference.kind, parts[reference.path])
        for reference in case.tables
    }
    tensors: dict[str, np.ndarray] = {}
    for name, data in parts.items():
        if name.endswith(".safetensors"):
            tensors |= read_tensors(data, where=name)
    answers = group_answers(*(tables.get(kind, []) for kind in ANSWER_KINDS))
    evidence = Evidence(
        items=Items(tables["items"]),
        answers=answers,
        label_words=tables["label_words"],
        label_checks=tables["label_checks"],
        tensors=tensors,
    )
    return plan, case.plan_digest, evidence, case


def test_results_follow_from_the_written_rows(case_path: Path) -> None:
    plan, digest, evidence, case = opened(case_path)
    safeguards = {s.axis: s.intervention for s in case.subject.safeguards}
    assert derive_results(plan, digest, evidence, safeguards) == case.results
    assert derive_results(plan, digest, regrade(plan, evidence), safeguards) == case.results


def test_the_verifier_agrees(case_path: Path) -> None:
    require_verified(case_path, at="2026-03-01T00:00:00Z")


def test_every_planned_cell_is_there(case_path: Path) -> None:
    plan, _, evidence, _ = opened(case_path)
    for cell in grid.cells(plan):
        assert evidence.cell(cell.evaluation, cell.dataset, cell.arm, cell.split)
    planned = sum(len(evidence.items.of(cell.dataset, cell.split)) for cell in grid.cells(plan))
    assert sum(len(rows) for rows in evidence.answers.values()) == planned


def nothing_axis(tiny: Tiny) -> Any:
    """An axis that looks for classes that are dealt out without regard to the prompts."""
    folder = tiny.folder / "items"
    rows = [json.loads(line) for line in (folder / "contrast.jsonl").read_text().splitlines()]
    for number, row in enumerate(rows):
        row["kind"] = ("heads", "tails")[number // 2 % 2]
    (folder / "dealt.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    [axis] = plan_value()["axes"]
    axis |= {"id": "nothing", "title": "Nothing", "purpose": "diagnostic"}
    axis["claim"]["kind"] = "no_harmful_change"
    axis["selection"]["contrast"] = {"dataset": "dealt", "label": "kind", "positive": "heads"}
    return axis


def with_nothing(tiny: Tiny, *others: Any) -> Any:
    value = plan_value()
    dealt = {"id": "dealt", "path": "../items/dealt.jsonl", "source": "made for this test"}
    value["datasets"].append(dealt)
    value["axes"] = [*others, nothing_axis(tiny)]
    value["decision"]["rules"][0]["claims"] = ["nothing"]
    return value


def test_a_search_that_finds_nothing_makes_a_case(tiny: Tiny, tmp_path: Path) -> None:
    path = make(tiny, tmp_path, value=with_nothing(tiny))
    require_verified(path, at="2026-03-01T00:00:00Z")
    parts = members(path)
    case = Case.model_validate_json(parts["case.json"])
    [axis] = case.results.axes
    assert (axis.identification.features, axis.arms, axis.intervention) == ((), (), None)
    assert axis.identification.least_p_adjusted is not None
    assert axis.claim.wording.startswith("No feature was found: none of ")
    assert not axis.claim.holds
    assert case.results.decision.tier == "withheld"
    rows = read_table("generations", parts["evidence/generations.jsonl"])
    assert {row.arm for row in rows} == {"baseline"}
    assert len(rows) == 60
    assert "evidence/label_words.jsonl" not in parts


def test_an_axis_without_a_feature_leaves_the_others_as_they_are(
    tiny: Tiny, tmp_path: Path
) -> None:
    path = make(tiny, tmp_path, value=with_nothing(tiny, *plan_value()["axes"]))
    require_verified(path, at="2026-03-01T00:00:00Z")
    case = Case.model_validate_json(members(path)["case.json"])
    found, nothing = case.results.axes
    assert found.arms
    assert not nothing.arms
    assert {rate.arm for rate in nothing.rates} == {"baseline"}


def test_directions_are_those_of_the_methods(case_path: Path) -> None:
    plan, digest, evidence, case = opened(case_path)
    [axis] = plan.axes
    specs = arm_specs(plan, axis, digest, evidence)
    assert [arm.id for arm in case.results.axes[0].arms] == [spec.id for spec in specs]
    written = evidence.tensor("context.directions")
    lengths = np.linalg.norm(written, axis=1)
    for spec, length in zip(specs, lengths, strict=True):
        assert length == pytest.approx(0.0 if spec.role == "reconstruction" else 1.0, abs=1e-6)


def test_sham_equals_baseline_and_edits_are_as_long_as_their_coefficient(
    case_path: Path,
) -> None:
    _, _, _, case = opened(case_path)
    [axis] = case.results.axes
    sham = next(c for c in axis.comparisons if c.arm == "context/sham")
    assert (sham.gained, sham.lost) == (0, 0)
    for arm in axis.arms:
        if arm.role not in {"reconstruction", "sham"} and arm.dose:
            assert arm.realised == pytest.approx(abs(arm.coefficient), rel=1e-3)


def test_case_names_what_was_used(case_path: Path, tiny: Tiny) -> None:
    _, _, _, case = opened(case_path)
    assert [file.role for file in case.subject.files] == [
        "configuration",
        "configuration",
        "weights",
        "tokenizer",
        "tokenizer",
    ]
    assert case.dictionaries[0].hook == "model.layers.1.output"
    assert case.dictionaries[0].width == tiny.dictionary.width
    assert case.environment.batch_rows == 96
    assert case.subject.safeguards[0].intervention == case.results.axes[0].intervention_digest
    assert {test.id for test in case.self_tests} == {
        "hook_identity",
        "error_term_identity",
        "zero_dose_identity",
        "batch_parity",
        "dictionary_l0",
        "dictionary_fvu",
    }
    assert case.times.started == "2026-01-02T04:04:05Z"
    assert case.deviations == ()


def test_the_same_run_twice_gives_the_same_bytes(
    case_path: Path, tiny: Tiny, tmp_path: Path
) -> None:
    assert members(make(tiny, tmp_path)) == members(case_path)


def test_an_interrupted_run_goes_on_and_ends_the_same(
    case_path: Path, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tiny, tmp_path, Interrupting(700))
    kept = sorted((tmp_path / "work" / "units").iterdir())
    assert kept
    assert not (tmp_path / "tiny-case.safetycase").exists()
    # A result cut off in the middle counts as none.
    kept[0].write_bytes(kept[0].read_bytes()[:-80])
    done = []
    original = answers.generate
    monkeypatch.setattr(answers, "generate", lambda *a: done.append(1) or original(*a))
    again = make(tiny, tmp_path)
    assert timeless(again) == timeless(case_path)
    *_, case = opened(again)
    assert case.times.started == "2026-01-02T04:04:05Z"
    assert 0 < len(done) < len(list((tmp_path / "work" / "units").iterdir()))


def test_rows_hardly_depend_on_the_size_of_batches(
    case_path: Path, tiny: Tiny, tmp_path: Path
) -> None:
    plan, _, one, _ = opened(case_path)
    _, _, other, _ = opened(make(tiny, tmp_path, batch_rows=20))
    outcomes = [
        (a.outcome, b.outcome)
        for key, rows in one.answers.items()
        for a, b in zip(rows, other.answers[key], strict=True)
    ]
    assert plan.id == "tiny-case"
    assert np.mean([a == b for a, b in outcomes]) > 0.999


def test_a_case_that_does_not_verify_is_not_left(
    tiny: Tiny, case_path: Path, tmp_path: Path
) -> None:
    def refuse(path: Path) -> None:
        raise SafetyCaseError(str(path), "a case that verifies", found="another")

    with pytest.raises(SafetyCaseError):
        run(
            write_plan(tiny),
            tmp_path,
            clock=Clock(),
            progress=Silent(),
            verify=refuse,
            options=RunOptions(threads=1, batch_rows=96),
        )
    assert not (tmp_path / "tiny-case.safetycase").exists()
    assert case_path.exists()


def test_a_failing_self_test_stops_the_run_before_anything_is_measured(
    tiny: Tiny, tmp_path: Path
) -> None:
    """Planted fault: the decoder's rows are in another order than the encoder's columns."""
    shuffled = {**tiny.tensors, "w_dec": np.ascontiguousarray(tiny.tensors["w_dec"][::-1])}
    write_dictionary(tiny.folder / "shuffled", shuffled, DICTIONARY_CONFIG)
    value = plan_value()
    value["dictionaries"][0]["path"] = "../shuffled"
    with pytest.raises(RunFailed) as refused:
        make(tiny, tmp_path, value=value)
    assert refused.value.where == "self test dictionary_fvu of dictionary tiny"
    assert not list((tmp_path / "work" / "units").iterdir())


def test_units_are_named_by_everything_their_numbers_depend_on(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changing any part of the specification changes the key."""
    seen = []
    original = measure.Unit
    monkeypatch.setattr(measure, "Unit", lambda **k: seen.append(k) or original(**k))
    monkeypatch.setattr(InProcess, "run_units", _stop)
    with pytest.raises(KeyboardInterrupt):
        make(tiny, tiny.folder / "out")
    specification = dict(seen[0]["specification"])
    base = original(specification=specification, rows=1, work=bytes).key
    for name in specification:
        changed = {**specification, name: "other"}
        assert original(specification=changed, rows=1, work=bytes).key != base
    assert set(specification) == {
        "model", "dtype", "dictionaries", "evaluation", "sampling", "seed", "items", "arms",
        "probe", "environment",
    }  # fmt: skip
    assert canonical.write(specification)


def _stop(*_args: object) -> None:
    raise KeyboardInterrupt


def test_rows_round_trip(case_path: Path) -> None:
    parts = members(case_path)
    rows = read_table("generations", parts["evidence/generations.jsonl"])
    assert all(msgspec.to_builtins(row)[-1] != answers.UNGRADED for row in rows)


MOMENTS = (0.05, 0.25, 0.5, 0.7, 0.9)
"""Shares of the work units done when the process is killed."""

KILLED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from safetycase.run.bind import RunOptions
from safetycase.run.pipeline import run
from safetycase.run.progress import Silent
run(
    Path(sys.argv[1]),
    Path(sys.argv[2]),
    clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    progress=Silent(),
    verify=lambda _: None,
    options=RunOptions(threads=1, batch_rows=96),
)
"""


def test_a_killed_run_goes_on_and_ends_the_same(
    case_path: Path, tiny: Tiny, tmp_path: Path
) -> None:
    """SIGKILL at five moments, each a little further on, wherever the process then is."""
    plan = write_plan(tiny)
    units = tmp_path / "work" / "units"
    whole = len(list((case_path.parent / "work" / "units").glob("*.jsonl")))
    assert whole > len(MOMENTS)
    for moment in MOMENTS:
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(plan), str(tmp_path)])
        while process.poll() is None and len(list(units.glob("*.jsonl"))) < moment * whole:
            time.sleep(0.01)
        assert process.poll() is None, "the run ended before it could be killed"
        process.kill()
        process.wait()
        [status] = read_status(tmp_path)
        assert status.state == "stopped"
        assert 0 < status.rows_done < status.rows
        assert not (tmp_path / "tiny-case.safetycase").exists()
    again = make(tiny, tmp_path)
    assert timeless(again) == timeless(case_path)
    *_, case = opened(again)
    assert case.times.started == "2026-01-01T00:00:00Z"
