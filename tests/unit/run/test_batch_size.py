"""Rows of a batch are found by trying, once for a run, and written down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from safetycase import canonical
from safetycase.errors import RunFailed, UsageError
from safetycase.methods import grid
from safetycase.record.case import Environment
from safetycase.run import batch_size, bind, pipeline
from safetycase.run.answers import Bench
from safetycase.run.batch_size import Trial, chosen, tried, with_found_rows
from safetycase.run.bind import RunOptions
from safetycase.run.edit import Preface
from safetycase.run.engines.bench_worker import Recipe, load_bench
from safetycase.run.environment import environment
from safetycase.run.freeze import freeze
from safetycase.run.items import read_items
from safetycase.run.measure import tokens_of, unit_of
from safetycase.run.model import LoadedModel
from safetycase.run.pipeline import run
from safetycase.run.progress import Silent
from safetycase.tables.evidence import Items
from tests.unit.run.test_pipeline import Clock, Verified, opened, write_plan
from tests.unit.run.tiny_world import Tiny, plan_value

pytestmark = pytest.mark.run
TOKENS_NEW = 6
"""As many as the tiny plan lets the model generate."""


def trial_of(rates: dict[int, float], asked: list[int]) -> Any:
    """Trials at given rows a second; none for a size: memory runs out there."""

    def trial(rows: int) -> Trial:
        asked.append(rows)
        return Trial(rows, rows, rows / rates[rows] if rows in rates else None)

    return trial


@pytest.mark.parametrize(
    ("rates", "asked", "best"),
    [
        ({8: 10, 16: 20, 32: 40}, [8, 16, 32, 64], 32),
        ({8: 10, 16: 20, 32: 20.9, 64: 99}, [8, 16, 32], 16),
        ({8: 10, 16: 20, 32: 21, 64: 21.1}, [8, 16, 32, 64], 32),
        ({8: 10, 16: 9, 32: 99}, [8, 16], 8),
        ({2: 5, 4: 9}, [8, 4], 4),
        ({2: 5}, [8, 4, 2], 2),
    ],
)
def test_doubled_while_it_fits_and_is_worth_it(
    rates: dict[int, float], asked: list[int], best: int
) -> None:
    seen: list[int] = []
    trials = tried(trial_of(rates, seen), most=4096)
    assert seen == asked
    assert chosen(trials) == best


def test_not_beyond_what_the_plan_asks_for() -> None:
    seen: list[int] = []
    assert chosen(tried(trial_of({8: 1, 16: 9, 32: 99}, seen), most=16)) == 16
    assert seen == [8, 16]
    assert chosen(tried(trial_of({4: 1}, []), most=4)) == 4


def test_no_room_for_two_rows_is_refused() -> None:
    with pytest.raises(RunFailed, match="memory for a batch of two rows"):
        tried(trial_of({}, []), most=4096)


@contextmanager
def memory_for(model: LoadedModel, rows: int) -> Iterator[list[tuple[int, int]]]:
    """Inside, the last block has memory for so many rows; what shapes it was given."""
    shapes: list[tuple[int, int]] = []

    def require(_block: Any, args: tuple[torch.Tensor, ...]) -> None:
        shapes.append(tuple(args[0].shape[:2]))
        if args[0].shape[0] > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    hook = model.blocks[-1].register_forward_pre_hook(require)
    try:
        yield shapes
    finally:
        hook.remove()


def ticking() -> Any:
    """A clock on which everything takes a second: the larger, the better."""
    seconds = iter(range(10**6))
    return lambda: float(next(seconds))


def bench_of(tiny: Tiny, value: Any = None) -> tuple[Bench, str, Items]:
    frozen = freeze(write_plan(tiny, value))
    bench = Bench(
        frozen.plan,
        tiny.model,
        {"tiny": tiny.dictionary},
        environment(tiny.model, batch_rows=9),
    )
    return bench, frozen.digest, read_items(frozen.plan, frozen.digest, frozen.datasets)


def test_the_largest_that_fits_with_the_longest_prompt(tiny: Tiny, tmp_path: Path) -> None:
    bench, digest, items = bench_of(tiny)
    with memory_for(tiny.model, 40) as shapes:
        found = with_found_rows(bench, digest, items, tmp_path, Silent(), ticking())
    assert (found.environment.batch_rows, found.environment.batch_rows_by) == (32, "trial")
    tokens = {
        evaluation.measure.kind: max(
            tokens_of(bench, evaluation, item)
            for split in grid.SPLITS
            for item in items.of(evaluation.dataset, split)
        )
        for evaluation in bench.plan.evaluations
    }
    prompts = {positions for _, positions in shapes if positions > TOKENS_NEW}
    assert prompts == set(tokens.values())
    assert max(rows for rows, _ in shapes) > 40
    [file] = tmp_path.iterdir()
    told = canonical.read(file.read_bytes(), where="test")
    assert told["rows"] == 32
    assert [trial["rows"] for trial in told["trials"]] == [8, 16, 32, 64]
    assert [trial["seconds"] is None for trial in told["trials"]] == [False] * 3 + [True]


def test_what_a_baseline_says_before_a_prompt_is_counted(tiny: Tiny, tmp_path: Path) -> None:
    """Such an arm stands alone: its longest prompt is tried with as many rows as any batch."""
    said = "the repair of a kitchen near the harbor . " * 2
    value = plan_value()
    value["axes"][0]["baselines"] = {"prefix": said}
    bench, digest, items = bench_of(tiny, value)
    with memory_for(tiny.model, 40) as shapes:
        with_found_rows(bench, digest, items, tmp_path, Silent(), ticking())
    for evaluation in bench.plan.evaluations:
        here = [item for split in grid.SPLITS for item in items.of(evaluation.dataset, split)]
        behind = max(
            tokens_of(bench, evaluation, item, Preface(prefix=said))
            for item in here
            if item.split == "held_out"
        )
        alone = max(tokens_of(bench, evaluation, item) for item in here)
        assert behind > alone
        assert {8, 16, 32} <= {rows for rows, positions in shapes if positions == behind}
        assert alone in {positions for _, positions in shapes}


def test_texts_of_a_trial_go_to_their_limit(tiny: Tiny, tmp_path: Path) -> None:
    """A model that stops at once would not show what a long answer needs."""
    bench, digest, items = bench_of(tiny)
    every = frozenset(range(tiny.model.vocabulary))
    stopping = batch_size.replace(bench, model=batch_size.replace(tiny.model, stops=every))
    with memory_for(tiny.model, 8) as shapes:
        with_found_rows(stopping, digest, items, tmp_path, Silent(), ticking())
    steps = [rows for rows, positions in shapes if positions == 1]
    assert len(steps) == batch_size.TIMES * (TOKENS_NEW - 1)


def test_another_failure_is_told(tiny: Tiny, tmp_path: Path) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("shapes differ")

    bench, digest, items = bench_of(tiny)
    hook = tiny.model.blocks[-1].register_forward_pre_hook(broken)
    try:
        with pytest.raises(RuntimeError, match="shapes differ"):
            with_found_rows(bench, digest, items, tmp_path, Silent())
    finally:
        hook.remove()
    assert not list(tmp_path.iterdir())


def test_what_was_found_is_not_looked_for_again(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, digest, items = bench_of(tiny)
    monkeypatch.setattr(batch_size, "MOST", 16)
    first = with_found_rows(bench, digest, items, tmp_path, Silent(), ticking())
    monkeypatch.setattr(batch_size, "_trials", None)
    again = with_found_rows(bench, digest, items, tmp_path, Silent())
    assert again.environment == first.environment
    with pytest.raises(TypeError):  # another plan, and another machine, are tried
        with_found_rows(bench, "f" * 64, items, tmp_path, Silent())
    elsewhere = bench.environment.model_copy(update={"device": "another"})
    other = batch_size.replace(bench, environment=elsewhere)
    with pytest.raises(TypeError):
        with_found_rows(other, digest, items, tmp_path, Silent())


def test_how_it_was_chosen_is_part_of_every_key(tiny: Tiny, tmp_path: Path) -> None:
    bench, digest, items = bench_of(tiny)
    with memory_for(tiny.model, 16):
        found = with_found_rows(bench, digest, items, tmp_path, Silent(), ticking())
    evaluation = bench.plan.evaluations[0]
    asked = items.of(evaluation.dataset, "held_out")[:2]
    fixed = bench.environment.model_copy(update={"batch_rows": 16})
    keys = {
        unit_of(one, evaluation, asked, batch_size._arms(one, evaluation)[:2], None).key
        for one in (bench, found, batch_size.replace(bench, environment=fixed))
    }
    assert len(keys) == 3
    assert "batch_rows_by" not in fixed.spelled()


def test_a_run_records_what_it_found_and_goes_on_with_it(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "with_found_rows", partial(with_found_rows, clock=ticking()))
    limits = []

    def loaded(*given: Any, **named: Any) -> LoadedModel:
        """The model of the plan, on a device with memory for 40 rows."""
        model = load_model(*given, **named)
        limit = memory_for(model, 40)
        limit.__enter__()
        limits.append(limit)
        return model

    load_model = bind.load_model
    monkeypatch.setattr(bind, "load_model", loaded)

    def made() -> Environment:
        path = run(
            write_plan(tiny),
            tmp_path,
            clock=Clock(),
            progress=Silent(),
            verify=Verified(),
            options=RunOptions(threads=1, batch_rows="auto"),
        )
        _, _, _, case = opened(path)
        assert case.deviations == ()
        return case.environment

    first = made()
    assert (first.batch_rows, first.batch_rows_by) == (32, "trial")
    units = {file.name for file in (tmp_path / "work" / "units").glob("*.jsonl")}
    monkeypatch.setattr(batch_size, "_trials", None)
    assert made() == first
    assert {file.name for file in (tmp_path / "work" / "units").glob("*.jsonl")} == units


def test_a_worker_takes_the_number_that_was_found(tiny: Tiny, tmp_path: Path) -> None:
    path = write_plan(tiny)
    frozen = freeze(path)
    options = RunOptions(threads=1, batch_rows=24, batch_rows_by="trial")
    bound = bind.bind(frozen, tmp_path, options)
    made = bound.bench.environment
    recipe = Recipe(
        plan=str(path),
        plan_digest=frozen.digest,
        value=None,
        cache=str(tmp_path),
        threads=made.threads,
        batch_rows=made.batch_rows,
        batch_rows_by=made.batch_rows_by,
        attention=made.attention,
        device="cpu",
        device_map=None,
        environment=canonical.write(made.spelled()),
    )
    assert load_bench(recipe).environment == made


@pytest.mark.parametrize("text", ["0", "-3", "many", "1.5", ""])
def test_rows_that_are_no_number_are_refused(text: str) -> None:
    from safetycase.cli.run import rows_asked  # noqa: PLC0415

    with pytest.raises(UsageError, match="a number from 1, or auto"):
        rows_asked(text)
    assert [rows_asked(each) for each in (None, "auto", "12")] == [None, "auto", 12]


@pytest.mark.parametrize(("most", "asked"), [(20, [8, 16, 32]), (5, [8]), (1, [2])])
def test_not_beyond_what_the_work_could_fill(
    tiny: Tiny, tmp_path: Path, most: int, asked: list[int]
) -> None:
    bench, digest, items = bench_of(tiny)
    with_found_rows(bench, digest, items, tmp_path, Silent(), ticking(), most=most)
    [file] = tmp_path.iterdir()
    told = canonical.read(file.read_bytes(), where="test")
    assert [trial["rows"] for trial in told["trials"]] == asked
