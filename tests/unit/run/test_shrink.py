"""What runs out of memory is done in smaller batches, and says so; nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from safetycase.errors import RunFailed
from safetycase.run.assemble import _deviations
from safetycase.run.device import device_of
from safetycase.run.notebook import Notebook
from safetycase.run.shrink import Batches, parts_that_fit, refused_if_too_large
from safetycase.tables.evidence import Items


def cpu_allocator() -> None:
    """The real one: far more than any machine has."""
    torch.empty(2**60, dtype=torch.uint8)


def gpu_allocator() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory.")


def counted(most: int, runs_out: Callable[[], None], seen: list[int]) -> Callable:
    def do(part: Sequence[int]) -> int:
        seen.append(len(part))
        if len(part) > most:
            runs_out()
        return sum(part)

    return do


@pytest.mark.parametrize("runs_out", [cpu_allocator, gpu_allocator])
def test_parts_are_halved_from_where_memory_runs_out(runs_out: Callable[[], None]) -> None:
    seen: list[int] = []
    told: list[int] = []
    parts = list(parts_that_fit(range(11), Batches(8, told.append), counted(3, runs_out, seen)))
    assert seen == [8, 4, 2, 2, 2, 2, 2, 1]
    assert told == [4, 2]
    assert [number for part, _ in parts for number in part] == list(range(11))
    assert all(found == sum(part) for part, found in parts)


def test_parts_that_fit_are_as_planned() -> None:
    seen: list[int] = []
    told: list[int] = []
    list(parts_that_fit(range(11), Batches(4, told.append), counted(4, cpu_allocator, seen)))
    assert (seen, told) == ([4, 4, 3], [])


@pytest.mark.parametrize("runs_out", [cpu_allocator, gpu_allocator])
def test_one_item_of_a_part_that_does_not_fit_is_named(runs_out: Callable[[], None]) -> None:
    seen: list[int] = []
    batches = Batches(3, seen.append, "the means")
    parts = parts_that_fit(
        range(3), batches, counted(0, runs_out, seen), lambda n: f"number {n}"
    )
    with pytest.raises(RunFailed) as refused:
        list(parts)
    assert seen == [3, 2, 2, 1, 1]
    error = refused.value
    assert (error.where, error.expected, error.found) == (
        "the means",
        "memory for number 0 alone",
        "too little",
    )
    assert "--batch-rows does not help any more" in str(error.remedy)
    assert "--device-map" in str(error.remedy)
    assert "CUDA" not in str(error)
    assert "Allocator" not in str(error)


def test_another_failure_of_a_part_is_not_tried_smaller() -> None:
    def broken() -> None:
        raise RuntimeError("shapes differ")

    seen: list[int] = []
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(parts_that_fit(range(3), Batches(3, seen.append), counted(0, broken, seen)))
    assert seen == [3]


def test_the_record_tells_of_it() -> None:
    notes = Notebook(Items([]))
    assert _deviations(notes) == ()
    notes.units, notes.reshaped_units = 40, 3
    [deviation] = _deviations(notes)
    assert deviation.what == (
        "3 of 40 units were measured in smaller batches than planned; another run may give "
        "other last bits."
    )
    notes.cut_by_arms = 2
    [deviation] = _deviations(notes)
    assert "than planned, 2 of them with fewer arms together as well; another" in deviation.what
    notes.attributed_in_smaller("axis", 4)
    notes.attributed_in_smaller("axis", 2)
    _, deviation = _deviations(notes)
    assert deviation.what.startswith("The attribution of axis was measured in smaller batches")
    assert ", at last of 2 questions;" in deviation.what
    notes.read_in_smaller("the features of axis", 16)
    notes.read_in_smaller("the features of axis", 8)
    notes.read_in_smaller("the labels of axis", 64)
    *_, deviation = _deviations(notes)
    assert deviation.what == (
        "Activations were read in smaller batches than planned: the features of axis (at last "
        "8 prompts together), the labels of axis (at last 64 prompts together); another run "
        "may give other last bits, in float32 about 2 parts in 10,000,000."
    )


@pytest.mark.parametrize("runs_out", [cpu_allocator, gpu_allocator])
def test_what_cannot_be_cut_is_refused_in_our_words(runs_out: Callable[[], None]) -> None:
    told = pytest.raises(RunFailed, match="a row: expected memory for it, found too little")
    with told, refused_if_too_large("a row", "memory for it"):
        runs_out()
    broken = pytest.raises(RuntimeError, match="shapes differ")
    with broken, refused_if_too_large("a row", "memory for it"):
        raise RuntimeError("shapes differ")


@pytest.mark.parametrize("name", ["tpu", "cuda:99", "", "CPU"])
def test_a_device_that_is_not_here_is_refused(name: str) -> None:
    with pytest.raises(RunFailed, match="a device that is here: auto, cpu"):
        device_of(name)


def test_auto_is_a_device_that_is_here() -> None:
    assert device_of("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_of("cpu") == "cpu"
