"""A unit that runs out of memory: fewer items, fewer arms, and what is left out at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from safetycase.bundle.reader import open_case
from safetycase.cli.as_written import require_verified
from safetycase.errors import RunFailed
from safetycase.run import measure
from safetycase.run.answers import answers as measured_answers
from safetycase.run.arm_run import ArmRun
from safetycase.run.edit import BASELINE_EDIT, ArmEdit, Preface
from safetycase.run.reshape import (
    RAN_OUT,
    Head,
    arm_parts,
    head_of,
    in_batches_that_fit,
    marked,
    rows_alone,
)
from safetycase.tables.codec import encode_rows, read_table
from safetycase.tables.rows import AnswerRow, ItemRow, ProbeRow
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.test_shrink import cpu_allocator, gpu_allocator
from tests.unit.run.tiny_world import Tiny, plan_value

pytestmark = pytest.mark.run

ASKED = [
    (ItemRow("d", f"i{n}", f"c{n}", "k", None, "tuning", None, None, "text"), 0)
    for n in range(5)
]
ARMS = [BASELINE_EDIT, *(ArmEdit(f"arm{n}", None, None, None) for n in range(6))]

Asked = Sequence[tuple[ItemRow, int]]
Arms = Sequence[ArmEdit]
Fits = Callable[[Asked, Arms], bool]


def rows_of(items: Asked, arms: Arms) -> list[AnswerRow]:
    return [
        ProbeRow("e", arm.arm, item.item, 0.5, 0, 0.0, 0.0, "o")
        for item, _ in items
        for arm in arms
    ]


def decoded(result: bytes) -> list[tuple[str, str]]:
    rows = msgspec.json.Decoder(ProbeRow).decode_lines(rows_alone(result))
    return [(row.item, row.arm) for row in rows]


class Machine:
    """Has so much memory, and keeps what was asked of it: items and arms of every batch."""

    def __init__(self, fits: Fits, runs_out: Callable[[], None] = cpu_allocator) -> None:
        self.fits, self.runs_out = fits, runs_out
        self.seen: list[tuple[int, int]] = []

    def __call__(self, items: Asked, arms: Arms) -> list[AnswerRow]:
        self.seen.append((len(items), len(arms)))
        if not self.fits(items, arms):
            self.runs_out()
        return rows_of(items, arms)

    def done(self, items: Asked, arms: Arms, *, may_miss: bool = False) -> bytes:
        return in_batches_that_fit(items, arms, self, where="evaluation e", may_miss=may_miss)


def at_most(rows: int) -> Fits:
    return lambda items, arms: len(items) * len(arms) <= rows


@pytest.mark.parametrize("runs_out", [cpu_allocator, gpu_allocator])
def test_items_are_halved_until_they_fit(runs_out: Callable[[], None]) -> None:
    machine = Machine(at_most(4), runs_out)
    result = machine.done(ASKED, ARMS[:2])
    assert machine.seen == [(5, 2), (3, 2), (2, 2), (2, 2), (1, 2)]
    assert head_of(result) == Head(items_together=2)
    assert result.startswith(b'{"items_together":2}\n')
    assert rows_alone(result) == encode_rows(rows_of(ASKED, ARMS[:2]))


def test_what_fits_is_as_it_always_was() -> None:
    machine = Machine(at_most(35))
    result = machine.done(ASKED, ARMS)
    assert machine.seen == [(5, 7)]
    assert not head_of(result).is_reshaped
    assert result == rows_alone(result) == encode_rows(rows_of(ASKED, ARMS))


@pytest.mark.parametrize("runs_out", [cpu_allocator, gpu_allocator])
@pytest.mark.parametrize(
    ("room", "sizes"), [(4, [7, 4, 4]), (3, [7, 4, 3, 3, 3]), (2, [7, 4, 3, *[2] * 6])]
)
def test_arms_of_one_item_are_halved_next(
    runs_out: Callable[[], None], room: int, sizes: list[int]
) -> None:
    """The baseline goes along, as in units that are planned in parts."""
    machine = Machine(at_most(room), runs_out)
    result = machine.done(ASKED[:1], ARMS)
    assert machine.seen == [(1, size) for size in sizes]
    assert head_of(result) == Head(arms_together=room)
    expected = [row for part in arm_parts(ARMS, room) for row in rows_of(ASKED[:1], part)]
    assert rows_alone(result) == encode_rows(expected)
    planned = {("i0", arm.arm) for arm in ARMS}
    assert set(decoded(result)) == planned
    assert len(decoded(result)) == len(planned) + len(arm_parts(ARMS, room)) - 1


def test_items_come_first_then_arms() -> None:
    machine = Machine(at_most(4))
    result = machine.done(ASKED[:3], ARMS)
    assert machine.seen == [(3, 7), (2, 7), (1, 7), *[(1, 4)] * 6]
    assert head_of(result) == Head(items_together=1, arms_together=4)
    assert set(decoded(result)) == {
        (item.item, arm.arm) for item, _ in ASKED[:3] for arm in ARMS
    }


def test_what_does_not_fit_at_all_is_refused_in_our_words() -> None:
    """At the first time: an engine tries the unit again by itself."""
    machine = Machine(lambda _, arms: ARMS[3] not in arms)
    with pytest.raises(RunFailed) as refused:
        machine.done(ASKED[:1], ARMS)
    assert machine.seen == [(1, 7), (1, 4), *[(1, 3)] * 2, *[(1, 2)] * 3]
    error = refused.value
    assert error.where == "evaluation e, item i0"
    assert error.expected == "memory for one answer under arm2 beside baseline"
    assert error.found == "too little"
    remedy = str(error.remedy)
    for named in ("--batch-rows does not help", "--device-map", "shorten the text", RAN_OUT):
        assert named in remedy
    assert "Allocator" not in str(error)
    assert error.__cause__ is None


def test_one_arm_alone_is_refused_by_its_name() -> None:
    said = ArmEdit("axis/prompt", None, None, None, Preface(prefix="be good . "))
    with pytest.raises(RunFailed, match="one answer under axis/prompt, found too little"):
        Machine(at_most(0)).done(ASKED[:2], [said])
    result = Machine(at_most(0)).done(ASKED[:2], [said], may_miss=True)
    assert head_of(result).missing == (("axis/prompt", "i0", 0), ("axis/prompt", "i1", 0))
    assert rows_alone(result) == b""


def test_where_it_may_an_answer_is_missing_after_three_tries() -> None:
    gone = [("i1", "arm2"), ("i2", "arm0")]

    def fits(items: Asked, arms: Arms) -> bool:
        pairs = {(item.item, arm.arm) for item, _ in items for arm in arms}
        return len(pairs) <= 2 and not pairs.intersection(gone)

    machine = Machine(fits)
    result = machine.done(ASKED, ARMS, may_miss=True)
    assert head_of(result) == Head(1, 2, (("arm2", "i1", 0), ("arm0", "i2", 0)))
    assert len(machine.seen) == 3 + 3 + 5 * 6 + 2 * 2
    expected = {(item.item, arm.arm) for item, _ in ASKED for arm in ARMS} - set(gone)
    assert set(decoded(result)) == expected


def test_memory_that_is_short_for_a_moment_leaves_nothing_out() -> None:
    times = iter([False, False, True, *[True] * 10])
    result = Machine(lambda *_: next(times)).done(ASKED[:1], ARMS[:2], may_miss=True)
    assert result == encode_rows(rows_of(ASKED[:1], ARMS[:2]))


def test_a_baseline_that_fits_beside_no_arm_is_asked_alone() -> None:
    machine = Machine(at_most(1))
    result = machine.done(ASKED[:1], ARMS[:3], may_miss=True)
    assert machine.seen == [(1, 3), *[(1, 2)] * 6, (1, 1)]
    assert head_of(result) == Head(None, 1, (("arm0", "i0", 0), ("arm1", "i0", 0)))
    assert decoded(result) == [("i0", "baseline")]
    nothing = Machine(at_most(0)).done(ASKED[:1], ARMS[:2], may_miss=True)
    assert head_of(nothing).missing == (("arm0", "i0", 0), ("baseline", "i0", 0))


def test_samples_are_told_apart() -> None:
    item = ASKED[0][0]
    result = Machine(at_most(0)).done([(item, 0), (item, 1)], ARMS[:1], may_miss=True)
    assert head_of(result).missing == (("baseline", "i0", 0), ("baseline", "i0", 1))


@pytest.mark.parametrize("may_miss", [False, True])
def test_another_failure_is_not_tried_smaller(*, may_miss: bool) -> None:
    def broken() -> None:
        raise RuntimeError("shapes differ")

    for items in (ASKED, ASKED[:1]):
        machine = Machine(at_most(0), broken)
        with pytest.raises(RuntimeError, match="shapes differ"):
            machine.done(items, ARMS[:2], may_miss=may_miss)
        assert machine.seen == [(len(items), 2)]


def test_a_head_is_read_as_it_was_written() -> None:
    for head in (Head(3), Head(None, 2), Head(1, 2, (("a", "i", 4),)), Head()):
        for body in (b"", b'["e","a"]\n'):
            assert head_of(marked(body, head)) == head
            assert rows_alone(marked(body, head)) == body


# whole runs

TABLES = ("generations", "choices", "probes")


def keyed(case: Path) -> list[tuple[str, str, str, str]]:
    """Evaluation, arm, item and outcome of every answer."""
    return [
        (row.evaluation, row.arm, row.item, row.outcome)
        for kind in TABLES
        for row in read_rows(case, kind)
    ]


def read_rows(case: Path, kind: str) -> list[Any]:
    return read_table(kind, open_case(case).read(f"evidence/{kind}.jsonl"))


def test_a_run_whose_arms_do_not_fit_together_gives_the_same_answers(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory runs out in the middle of answering, where a batch gets more than four rows."""
    whole = keyed(make(tiny, tmp_path / "whole", batch_rows=32))
    begun, is_answering, passes = ArmRun.__init__, [False], []

    def limited(self: ArmRun, *given: Any, **named: Any) -> None:
        begun(self, *given, **named)
        if is_answering[0]:
            passes.append(self.rows)
            if self.rows > 4:
                gpu_allocator()

    def answering(*given: Any) -> list[AnswerRow]:
        is_answering[0] = True
        try:
            return measured_answers(*given)
        finally:
            is_answering[0] = False

    monkeypatch.setattr(ArmRun, "__init__", limited)
    monkeypatch.setattr(measure, "answers", answering)
    out = tmp_path / "small"
    path, asked = make(tiny, out, batch_rows=32), len(passes)
    assert max(passes) > 8
    require_verified(path, at="2026-03-01T00:00:00Z")
    assert keyed(path) == whole
    told = opened(path)[-1].deviations[-1].what
    found = re.match(
        r"(\d+) of (\d+) units were measured in smaller batches than planned", told
    )
    assert found is not None
    assert 0 < int(found[1]) <= int(found[2])
    assert re.search(r", \d+ of them with fewer arms together as well;", told)
    again = make(tiny, out, batch_rows=32)
    assert opened(again)[-1].deviations == opened(path)[-1].deviations
    assert len(passes) == asked


def out_of_memory_on(gone: Callable[[ItemRow, ArmEdit], bool]) -> Callable[..., Any]:
    """Answers of a machine on which these items under these arms fit no batch."""

    def limited(
        bench: Any, evaluation: Any, items: Sequence[ItemRow], arms: Arms, *rest: Any
    ) -> list[AnswerRow]:
        if evaluation.id == "requests" and any(gone(i, arm) for i in items for arm in arms):
            gpu_allocator()
        return measured_answers(bench, evaluation, items, arms, *rest)

    return limited


NEVER = {15}
NOT_HERE = {"context/target", "context/random_live/03"}


def is_gone(item: ItemRow, arm: ArmEdit) -> bool:
    """A control and the target for some items, for others everything."""
    number = int(item.item[1:]) % 20
    return number in NEVER or (number == 7 and arm.arm in NOT_HERE)


def test_what_does_not_fit_is_excluded_where_the_plan_permits_it(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "answers", out_of_memory_on(is_gone))
    value = plan_value()
    value["exclusions"] = {"causes": [RAN_OUT], "at_most": 0.2}
    value["audit"] = {"rows": 6, "positions": 2}
    path = make(tiny, tmp_path, value=value)
    require_verified(path, at="2026-03-01T00:00:00Z")
    rows = read_rows(path, "exclusions")
    assert {(row.evaluation, row.cause) for row in rows} == {("requests", RAN_OUT)}
    named = {(row.item, row.arm) for row in rows}
    assert len(named) == len(rows)
    everywhere = {arm for item, arm in named if int(item[1:]) % 20 in NEVER}
    assert {"baseline"} | NOT_HERE < everywhere
    assert {arm for item, arm in named if int(item[1:]) % 20 == 7} == NOT_HERE
    _, _, evidence, case = opened(path)
    assert named.isdisjoint((row[2], row[1]) for row in keyed(path) if row[0] == "requests")
    [axis] = case.results.axes
    held_out = {item.item for item in evidence.items.of("requests", "held_out")}
    for rate in axis.rates:
        if rate.split == "held_out" and rate.measure.evaluation == "requests":
            gone = {item for item, arm in named if arm == rate.arm} & held_out
            assert rate.excluded == (len(gone) or None)
            assert bool(gone) or rate.arm not in NOT_HERE
    told = case.deviations[-1].what
    assert "with fewer arms together as well" in told


def test_what_does_not_fit_stops_a_run_that_permits_nothing(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In our words, with what was done before; with memory, the run goes on from there."""
    whole = keyed(make(tiny, tmp_path / "whole"))
    done: list[int] = []
    limited = out_of_memory_on(lambda _, arm: arm.arm == "context/random_live/03")

    def counting(*given: Any) -> list[AnswerRow]:
        rows = limited(*given)
        done.append(len(rows))
        return rows

    monkeypatch.setattr(measure, "answers", counting)
    out = tmp_path / "out"
    with pytest.raises(RunFailed) as refused:
        make(tiny, out)
    said = str(refused.value)
    assert re.search(
        r"found none: evaluation requests, item r\d+: expected memory for one answer under "
        r"context/random_live/03 beside baseline, found too little\. A smaller --batch-rows",
        said,
    )
    assert "What was done is kept" in said
    assert "CUDA" not in said
    kept = {file.name for file in (out / "work" / "units").glob("*.jsonl")}
    assert kept
    monkeypatch.setattr(measure, "answers", measured_answers)
    assert keyed(make(tiny, out)) == whole
    assert kept < {file.name for file in (out / "work" / "units").glob("*.jsonl")}


def test_a_run_without_any_answer_stops(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "answers", out_of_memory_on(lambda *_: True))
    value = plan_value()
    value["exclusions"] = {"causes": [RAN_OUT], "at_most": 0.2}
    expected = "evaluation requests: expected an answer under any arm that fits the memory"
    with pytest.raises(RunFailed, match=expected):
        make(tiny, tmp_path, value=value)
