"""The tiny case measured again with its weights: rows agree, forged ones do not."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

from safetycase import canonical
from safetycase.bundle.reader import open_case
from safetycase.bundle.tensors import read_tensors, write_tensors
from safetycase.bundle.writer import write_case
from safetycase.cli.as_written import policy_text
from safetycase.cli.main import main
from safetycase.envelope.dsse import read_envelope
from safetycase.errors import RunFailed
from safetycase.methods.replay import compared
from safetycase.run import replay as again
from safetycase.run.bind import Bound, RunOptions
from safetycase.run.pipeline import run
from safetycase.run.progress import Silent
from safetycase.run.replay import WeightsAtHand, bind_case, measure_again
from safetycase.sign.keys import generate
from safetycase.sign.signer import sign_case
from safetycase.tables.codec import read_table, write_table
from safetycase.verify.case import OpenedCase
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from safetycase.verify.policy import load_policy, read_policy
from tests.kit.builder import policy
from tests.unit.run.test_pipeline import Clock, Verified, write_plan
from tests.unit.run.test_shrink import cpu_allocator, gpu_allocator
from tests.unit.run.tiny_world import DICTIONARY_CONFIG, Tiny, write_dictionary

pytestmark = pytest.mark.run

AT = "2026-06-01T00:00:00Z"
NONCE = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.fixture(scope="module")
def signed(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny case, signed by its lab, beside keys, policy and a reviewer's keys."""
    folder = tmp_path_factory.mktemp("replay")
    case = run(
        write_plan(tiny),
        folder,
        clock=Clock(),
        progress=Silent(),
        verify=Verified(),
        options=RunOptions(threads=1, batch_rows=96),
    )
    lab = generate(folder / "lab", "lab")
    reviewer = generate(folder / "reviewer", "reviewer", roles=("reviewer",))
    sign_case(case, folder / "lab")
    text = json.loads(load_json(policy_text("both", lab)))
    text["signers"].append(json.loads((folder / "reviewer" / "reviewer.pub.json").read_text()))
    (folder / "policy.yaml").write_text(json.dumps(text))
    assert reviewer.roles == ("reviewer",)
    return case


def load_json(text: bytes) -> str:
    return read_policy(text, where="policy").model_dump_json(by_alias=True, exclude_none=True)


def opened(case: Path) -> OpenedCase:
    return OpenedCase(case, policy(), AT)


def at_hand(tiny: Tiny, **changes: Any) -> WeightsAtHand:
    fields = {
        "model": "model",
        "dictionaries": {"tiny": "dictionary"},
        "beside": tiny.folder,
    }
    return WeightsAtHand(**(fields | changes))


def bound_to(case: Path, tiny: Tiny, tmp_path: Path, **changes: Any) -> Bound:
    here = opened(case)
    return bind_case(
        here.record,
        here.container.read("plan.json"),
        here.published,
        at_hand(tiny, **changes),
        cache=tmp_path,
        options=RunOptions(threads=1, batch_rows=40),
    )


def arguments(case: Path, tiny: Tiny, out: Path, **changes: str) -> list[str]:
    options = {
        "model": tiny.folder / "model",
        "dictionary": f"tiny={tiny.folder / 'dictionary'}",
        "nonce": NONCE,
        "key": case.parent / "reviewer",
        "out": out,
        "threads": 1,
    }
    flat = [(f"--{name}", str(value)) for name, value in (options | changes).items()]
    return ["replay", str(case), *(part for pair in flat for part in pair)]


def test_every_kind_of_row_is_measured_to_the_same_digits(
    signed: Path, tiny: Tiny, tmp_path: Path
) -> None:
    """Several rows of the baseline, one of every other arm, in other batches than the run's."""
    here = opened(signed)
    bench = bound_to(signed, tiny, tmp_path).bench
    published = here.published
    wanted = {}
    seen: Counter[tuple[str, str]] = Counter()
    for table, rows in published.tables.items():
        for line, row in enumerate(rows, start=2):
            seen[row.evaluation, row.arm] += 1
            if seen[row.evaluation, row.arm] <= (9 if row.arm == "baseline" else 1):
                wanted[again.RowPlace(table=table, line=line)] = row
    assert {row.arm for row in wanted.values()} >= {"context/reconstruction", "context/sham"}
    measured = measure_again(bench, published, here.case_seed, list(wanted), Silent())
    assert set(measured) == set(wanted)
    for place, row in wanted.items():
        found = measured[place]
        assert (found.evaluation, found.arm, found.item) == (row.evaluation, row.arm, row.item)
        result = compared(published, place, found)
        assert result.differs == ()
        assert result.largest < 0.01


def test_rows_share_a_batch_where_they_share_an_arm_or_an_item() -> None:
    rows = [
        again._Wanted(again.RowPlace(table="choices", line=2 + n), item, arm)
        for n, (item, arm) in enumerate(
            [("a", "x"), ("b", "x"), ("c", "x"), ("c", "y"), ("c", "z"), ("d", "w")]
        )
    ]
    groups = [[(row.item, row.arm) for row in group] for group in again._groups(rows)]
    assert groups == [
        [("a", "x"), ("b", "x"), ("c", "x")],
        [("c", "y"), ("c", "z")],
        [("d", "w")],
    ]


@dataclass
class Noting(Silent):
    """What a replay says, and how many rows it says are done."""

    notes: list[str] = field(default_factory=list)
    done: int = 0

    def note(self, text: str) -> None:
        self.notes.append(text)

    def advance(self, parts: int) -> None:
        self.done += parts


@pytest.mark.parametrize("runs_out", [cpu_allocator, gpu_allocator])
def test_where_memory_runs_out_fewer_rows_are_measured_together(
    runs_out: Callable[[], None], signed: Path, tiny: Tiny, tmp_path: Path
) -> None:
    """Of each evaluation from there on; the reviewer is told, and the rows agree."""
    here = opened(signed)
    bench = bound_to(signed, tiny, tmp_path).bench
    places = [
        again.RowPlace(table=table, line=line)
        for table, rows in here.published.tables.items()
        for line in range(2, min(len(rows), 30) + 2)
    ]
    batches: list[int] = []

    def limited(_block: object, args: tuple[torch.Tensor, ...]) -> None:
        batches.append(len(args[0]))
        if len(args[0]) > 8:
            runs_out()

    said = Noting()
    hook = bench.model.blocks[-1].register_forward_pre_hook(limited)
    try:
        measured = measure_again(bench, here.published, here.case_seed, places, said)
    finally:
        hook.remove()
    assert set(measured) == set(places)
    assert said.done == len(places)
    for place, found in measured.items():
        assert compared(here.published, place, found).differs == ()
    told = [
        re.fullmatch(r"(\w+): memory ran out; at most (\d+) rows .*", n) for n in said.notes
    ]
    sizes: dict[str, list[int]] = {}
    for note in told:
        assert note is not None
        sizes.setdefault(note[1], []).append(int(note[2]))
    assert set(sizes) >= {"choices", "requests"}
    assert all(each == sorted(each, reverse=True) for each in sizes.values())
    assert sum(rows > 8 for rows in batches) == len(said.notes)


def test_from_the_command_to_the_verdict(
    signed: Path, tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, out = tmp_path / signed.name, tmp_path / "replay.dsse.json"
    shutil.copyfile(signed, case)
    keys = str(signed.parent / "reviewer")
    assert main(arguments(case, tiny, out, key=keys)) == 0
    said = capsys.readouterr().out
    assert "0 differ\n" in said
    assert "DIFFERS" not in said
    assert "whole case: of 59 drawn from all " in said
    assert main(["attach", str(case), str(out)]) == 0
    trusting = load_policy(signed.parent / "policy.yaml")
    before, after = (verify(path, trusting, at=AT) for path in (signed, case))
    assert before.case_id == after.case_id
    assert before.outcomes()["ORD-003"] is Outcome.UNKNOWN
    assert [
        after.outcomes()[name] for name in ("ORD-003", "REP-001", "REP-002", "REP-003")
    ] == [Outcome.PASS] * 4
    [claim] = after.claims
    [told] = claim.re_executed
    # how many rows are held out hangs on the plan's digest, and so on the weights drawn here
    bounds = [float(bound) for bound in re.findall(r"none differs: at most (\S+) %", told)]
    assert len(bounds) == 2
    assert all(0.0 < bound <= 5.0 for bound in bounds)
    assert main(["attach", str(case), str(out)]) == 2
    assert "members that are not there yet" in capsys.readouterr().err


def test_a_reviewer_may_let_batches_be_found(
    signed: Path, tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The statement says so; no batch is tried that the rows drawn could not fill."""
    out = tmp_path / "replay.dsse.json"
    assert main(arguments(signed, tiny, out, **{"batch-rows": "auto", "rows": "20"})) == 0
    said = capsys.readouterr()
    assert "0 differ\n" in said.out
    told = [int(n) for n in re.findall(r"batches of (\d+) rows: ", said.err)]
    assert told[0] == 8
    assert max(told) <= 128
    [found] = re.findall(r"batches of (\d+) rows, found by trying", said.err)
    payload = read_envelope(out.read_bytes(), where="test").payload
    made_by = canonical.read(payload, where="test")["predicate"]["environment"]
    assert (made_by["batch_rows"], made_by["batch_rows_by"]) == (int(found), "trial")


def forged(signed: Path, tmp_path: Path, table: str, change: Callable[[Any], Any]) -> Path:
    """The case with every row of a table altered, signed by the lab itself."""
    case = tmp_path / "forged.safetycase"
    container = open_case(signed)
    members = {name: container.read(name) for name in container.names if name != "mimetype"}
    del members["statements/case.dsse.json"]
    name = f"evidence/{table}.jsonl"
    rows = [change(row) for row in read_table(table, members[name])]
    members[name] = write_table(table, rows)
    write_case(case, members)
    sign_case(case, signed.parent / "lab")
    return case


LETTERS = ("forward_matching", "forward_other", "swapped_matching", "swapped_other")


@pytest.mark.parametrize(
    ("table", "columns", "outcomes"),
    [
        ("generations", ("nll",), {Outcome.FAIL}),
        ("choices", LETTERS, {Outcome.FAIL, Outcome.UNKNOWN}),
    ],
)
def test_rows_that_were_never_measured_are_found(
    table: str,
    columns: tuple[str, ...],
    outcomes: set[Outcome],
    signed: Path,
    tiny: Tiny,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Log-probabilities moved together: every grade and every figure stays as it was.

    Most rows are generations: that more than 5 % differ is shown. One row in fifteen is a
    choice: some are found, and whether that shows more than 5 % is the draw's luck.
    """

    def shift(row: Any) -> Any:
        moved = 0.25 if table == "generations" else -0.25
        changes = {name: float(f"{getattr(row, name) + moved:.6g}") for name in columns}
        return msgspec.structs.replace(row, **changes)

    case, out = forged(signed, tmp_path, table, shift), tmp_path / "found.dsse.json"
    trusting = load_policy(signed.parent / "policy.yaml")
    assert verify(case, trusting, at=AT).exit_code == 0
    keys = str(signed.parent / "reviewer")
    assert main(arguments(case, tiny, out, key=keys, rows="299")) == 0
    said = capsys.readouterr().out
    assert f"DIFFERS  evidence/{table}.jsonl line " in said
    assert f": {', '.join(columns)}\n" in said
    assert main(["attach", str(case), str(out)]) == 0
    verdict = verify(case, trusting, at=AT)
    assert verdict.outcomes()["ORD-003"] in outcomes
    assert verdict.exit_code == (1 if verdict.outcomes()["ORD-003"] is Outcome.FAIL else 0)
    [told] = verdict.claims[0].re_executed
    assert "differ: at least " in told


def test_other_weights_are_refused_with_the_file(
    signed: Path, tiny: Tiny, tmp_path: Path
) -> None:
    other = tmp_path / "model"
    shutil.copytree(tiny.folder / "model", other)
    weights = other / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(RunFailed) as refused:
        bound_to(signed, tiny, tmp_path, model=str(other))
    assert refused.value.where == "--model"
    assert "model.safetensors" in refused.value.expected


def test_another_dictionary_is_refused_with_the_file(
    signed: Path, tiny: Tiny, tmp_path: Path
) -> None:
    moved = {**tiny.tensors, "threshold": tiny.tensors["threshold"] + np.float32(0.01)}
    write_dictionary(tmp_path / "moved", moved, DICTIONARY_CONFIG)
    with pytest.raises(RunFailed) as refused:
        bound_to(signed, tiny, tmp_path, dictionaries={"tiny": str(tmp_path / "moved")})
    assert refused.value.where == "--dictionary tiny"
    assert "params.safetensors" in refused.value.expected


@pytest.mark.parametrize("named", [{}, {"other": "dictionary"}])
def test_all_dictionaries_of_the_case_are_needed(
    named: dict[str, str], signed: Path, tiny: Tiny, tmp_path: Path
) -> None:
    with pytest.raises(RunFailed) as refused:
        bound_to(signed, tiny, tmp_path, dictionaries=named)
    assert refused.value.expected == "the case's: tiny"


def test_directions_of_no_dictionary_are_refused(
    signed: Path, tiny: Tiny, tmp_path: Path
) -> None:
    """Decoder rows are in the case, its dictionary is not: only here are the two compared."""
    container = open_case(signed)
    members = {name: container.read(name) for name in container.names if name != "mimetype"}
    name = "evidence/dictionary.safetensors"
    arrays = {k: v.copy() for k, v in read_tensors(members[name], where=name).items()}
    arrays["context.w_dec"] = arrays["context.w_dec"][::-1]
    case = tmp_path / "other.safetycase"
    write_case(case, members | {name: write_tensors(arrays)})
    with pytest.raises(RunFailed) as refused:
        bound_to(case, tiny, tmp_path)
    assert refused.value.expected == "the decoder rows of tiny"


def test_tensors_other_than_stated_are_refused(
    signed: Path, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safetycase.run.bind.tensor_root", lambda *_files: "0" * 64)
    with pytest.raises(RunFailed) as refused:
        bound_to(signed, tiny, tmp_path)
    assert refused.value.found == "0" * 64
