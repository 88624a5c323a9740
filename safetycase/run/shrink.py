"""What does not fit the memory is measured in smaller batches, and the record says so.

Other batch shapes move numbers in their last bits, so that what was measured in them is not the
same to the byte as where it fitted: the record tells of it as a deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from safetycase.errors import RunFailed
from safetycase.run.device import free_memory

Asked = TypeVar("Asked")
Found = TypeVar("Found")

_REMEDY = (
    "A smaller --batch-rows does not help any more: take a device with more memory, spread the "
    "model over several (--device-map), or shorten the text."
)


@dataclass(frozen=True)
class Batches:
    """How many share a batch, and who is told where memory makes them fewer."""

    size: int
    smaller: Callable[[int], None]
    what: str = "a batch"
    """What is done in them, for an error."""


ONE_BY_ONE = Batches(1, lambda _: None, "a self test")
"""Nothing shares a batch, so that nothing can be made smaller."""


def parts_that_fit(
    items: Sequence[Asked],
    batches: Batches,
    do: Callable[[Sequence[Asked]], Found],
    named: Callable[[Asked], str] = lambda _: "one",
) -> Iterator[tuple[Sequence[Asked], Found]]:
    """The items in parts of at most so many, each with what was found of it.

    A part on which memory runs out is halved, and so are those after it; the new size is told
    each time. One item that does not fit is refused with RunFailed, by its name.
    """
    start, size = 0, batches.size
    while start < len(items):
        part = items[start : start + size]
        try:
            found = do(part)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(part) == 1:
                expected = f"memory for {named(part[0])} alone"
                raise too_large(batches.what, expected) from None
            size = -(-len(part) // 2)
        else:
            start += len(part)
            yield part, found
            continue
        free_memory()
        batches.smaller(size)


def too_large(where: str, expected: str, remedy: str = "") -> RunFailed:
    """The refusal of what does not fit the memory although nothing shares its batch."""
    return RunFailed(where, expected, found="too little", remedy=_REMEDY + remedy)


@contextmanager
def refused_if_too_large(where: str, expected: str) -> Iterator[None]:
    """Inside, memory that runs out is refused with RunFailed: nothing there can be cut."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise too_large(where, expected) from None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is that, by its kind or by the words of torch's allocator for processors."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return "DefaultCPUAllocator" in str(error)
