"""What does not fit the memory is measured in smaller batches, and the record says so.

Other batch shapes move numbers in their last bits, so that what was measured in them is not the
same to the byte as where it fitted: the record tells of it as a deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from safetycase.run.device import free_memory
from safetycase.tables.codec import encode_rows
from safetycase.tables.rows import AnswerRow

Asked = TypeVar("Asked")
Found = TypeVar("Found")

_MARK = b'{"items_together":'
"""Begins the first line of a result in another shape; rows and texts begin with a bracket."""


@dataclass(frozen=True)
class Batches:
    """How many share a batch, and who is told where memory makes them fewer."""

    size: int
    smaller: Callable[[int], None]


ONE_BY_ONE = Batches(1, lambda _: None)
"""Nothing shares a batch, so that nothing can be made smaller."""


def in_batches_that_fit(
    items: Sequence[Asked], answers: Callable[[Sequence[Asked]], list[AnswerRow]]
) -> bytes:
    """The rows of all items, in one batch, or in halves as often as memory runs out.

    One item that does not fit is refused by what ran out.
    """
    size = len(items)
    while True:
        try:
            rows = [
                row
                for start in range(0, len(items), size)
                for row in answers(items[start : start + size])
            ]
        except (RuntimeError, MemoryError) as error:
            if size == 1 or not is_out_of_memory(error):
                raise
            size = -(-size // 2)
        else:
            return marked(encode_rows(rows), size, planned=len(items))
        free_memory()


def parts_that_fit(
    items: Sequence[Asked], batches: Batches, do: Callable[[Sequence[Asked]], Found]
) -> Iterator[tuple[Sequence[Asked], Found]]:
    """The items in parts of at most so many, each with what was found of it.

    A part on which memory runs out is halved, and so are those after it; the new size is told
    each time. One item that does not fit is refused by what ran out.
    """
    start, size = 0, batches.size
    while start < len(items):
        part = items[start : start + size]
        try:
            found = do(part)
        except (RuntimeError, MemoryError) as error:
            if len(part) == 1 or not is_out_of_memory(error):
                raise
            size = -(-len(part) // 2)
        else:
            start += len(part)
            yield part, found
            continue
        free_memory()
        batches.smaller(size)


def marked(result: bytes, size: int, *, planned: int) -> bytes:
    """The result of a unit, which says of its shape where that is not the planned one."""
    return result if size == planned else b"%s%d}\n%s" % (_MARK, size, result)


def is_reshaped(result: bytes) -> bool:
    """Whether a unit was measured in smaller batches than its key says."""
    return result.startswith(_MARK)


def rows_alone(result: bytes) -> bytes:
    """The result without what it says of its shape."""
    return result.partition(b"\n")[2] if is_reshaped(result) else result


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is that, by its kind or by the words of torch's allocator for processors."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return "DefaultCPUAllocator" in str(error)
