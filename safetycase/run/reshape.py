"""A unit that does not fit the memory is measured in another shape, and its result says so.

Fewer items share a batch, then fewer arms, down to one item under the baseline and one arm.
What does not fit even then is left out where the plan permits that, and refused otherwise. The
key of a unit is that of its planned shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

from safetycase.record.plan import Cause
from safetycase.run.device import free_memory
from safetycase.run.edit import NOTHING_SAID, ArmEdit
from safetycase.run.engines.engine import TRIES
from safetycase.run.shrink import is_out_of_memory, too_large
from safetycase.tables.codec import encode_rows
from safetycase.tables.rows import AnswerRow, ItemRow

Asked = tuple[ItemRow, int]
"""An item and the number of its sample."""
Key = tuple[str, str, int]
"""Arm, item and sample of an answer."""
Answering = Callable[[Sequence[Asked], Sequence[ArmEdit]], list[AnswerRow]]
"""Measures one batch."""

RAN_OUT: Cause = "out_of_memory_after_retries"

_MARK = b"{"
"""Begins a first line that is about the result; rows and texts begin with a bracket."""


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a result says of itself, in its first line, where it is not as planned."""

    items_together: int | None = None
    """How many items shared a batch, where fewer than planned did."""
    arms_together: int | None = None
    """How many arms did, the baseline among them, where fewer than planned did."""
    missing: tuple[Key, ...] = ()
    """Answers that did not fit the memory by themselves."""

    @property
    def is_reshaped(self) -> bool:
        """Whether anything was measured in smaller batches than the unit's key says."""
        return self.items_together is not None or self.arms_together is not None


_AS_PLANNED = Head()


def marked(result: bytes, head: Head) -> bytes:
    """The result of a unit behind what is to be said of it."""
    return result if head == _AS_PLANNED else msgspec.json.encode(head) + b"\n" + result


def head_of(result: bytes) -> Head:
    """What a result says of itself."""
    if not result.startswith(_MARK):
        return _AS_PLANNED
    return msgspec.json.decode(result.partition(b"\n")[0], type=Head)


def rows_alone(result: bytes) -> bytes:
    """The result without what it says of itself."""
    return result.partition(b"\n")[2] if result.startswith(_MARK) else result


def arm_parts(arms: Sequence[ArmEdit], most: int) -> list[list[ArmEdit]]:
    """The arms in parts of at most `most`, as even as can be; the baseline is in every part."""
    others = [arm for arm in arms[1:] if arm.preface == NOTHING_SAID]
    baseline, alone = arms[0], [[arm] for arm in arms if arm.preface != NOTHING_SAID]
    if not others:
        return [[baseline], *alone]
    count = -(-len(others) // (most - 1))
    size = -(-len(others) // count)
    parts = [[baseline, *others[i : i + size]] for i in range(0, len(others), size)]
    return [*parts, *alone]


def in_batches_that_fit(
    items: Sequence[Asked],
    arms: Sequence[ArmEdit],
    answers: Answering,
    *,
    where: str,
    may_miss: bool,
) -> bytes:
    """The rows of all items under all arms, in one batch, or in as large ones as fit.

    Each time that memory runs out the whole unit is measured anew, with half the items together
    and, once that is one, with half the arms beside the baseline; every part of the arms brings
    a row of the baseline, as in units that are planned so. The smallest batches, of one item
    under the baseline and one arm, are tried each by itself: what does not fit in three tries
    is named as missing if it `may_miss`, else refused with RunFailed at once. A baseline that
    fitted beside no arm is then asked alone.
    """
    planned = size, together = len(items), len(arms)
    while size > 1 or together > 2:
        rows = _if_it_fits(partial(_rows, items, size, _parts(arms, together), answers))
        if rows is not None:
            return marked(encode_rows(rows), _shape(planned, size, together))
        if size > 1:
            size = -(-size // 2)
        else:
            together = 1 + -(-(together - 1) // 2)
    alone = _OneByOne(arms, answers, where, may_miss=may_miss)
    for item in items:
        alone.ask(item)
    head = _shape(planned, 1, alone.together)
    return marked(encode_rows(alone.rows), replace(head, missing=tuple(alone.missing)))


def _shape(planned: tuple[int, int], size: int, together: int) -> Head:
    items, arms = planned
    return Head(size if size < items else None, together if together < arms else None)


def _parts(arms: Sequence[ArmEdit], together: int) -> list[list[ArmEdit]]:
    return [list(arms)] if len(arms) <= together else arm_parts(arms, together)


def _rows(
    items: Sequence[Asked], size: int, parts: Sequence[list[ArmEdit]], answers: Answering
) -> list[AnswerRow]:
    return [
        row
        for start in range(0, len(items), size)
        for part in parts
        for row in answers(items[start : start + size], part)
    ]


def _if_it_fits(measure: Callable[[], list[AnswerRow]]) -> list[AnswerRow] | None:
    """What is measured; none if memory runs out."""
    try:
        return measure()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    free_memory()  # not before the error is gone, whose frames hold what was computed
    return None


class _OneByOne:
    """One item after the other, under the baseline and one arm at a time."""

    def __init__(
        self, arms: Sequence[ArmEdit], answers: Answering, where: str, *, may_miss: bool
    ) -> None:
        """Nothing is asked yet."""
        self._arms, self._parts = arms, _parts(arms, 2)
        self._answers, self._where, self._may_miss = answers, where, may_miss
        self.rows: list[AnswerRow] = []
        self.missing: list[Key] = []
        self.together = max(map(len, self._parts))
        """How many arms shared the smallest batch."""

    def ask(self, item: Asked) -> None:
        """Add the rows of an item, and what is missing of it."""
        found = [self._fits(item, part) for part in self._parts]
        baseline = self._arms[0]
        beside = [
            fits for fits, part in zip(found, self._parts, strict=True) if part[0] is baseline
        ]
        if len(self._parts[0]) > 1 and not any(beside):
            self.together = 1
            self._fits(item, [baseline])

    def _fits(self, item: Asked, part: list[ArmEdit]) -> bool:
        """Whether a batch fits; its rows are added, or else its arm to what is missing.

        An engine tries a unit that is refused again by itself.
        """
        for _ in range(TRIES if self._may_miss else 1):
            rows = _if_it_fits(partial(self._answers, [item], part))
            if rows is not None:
                self.rows += rows
                return True
        row, sample = item
        if not self._may_miss:
            beside = "" if len(part) == 1 else f" beside {part[0].arm}"
            raise too_large(
                f"{self._where}, item {row.item}",
                f"memory for one answer under {part[-1].arm}{beside}",
                f" Or permit {RAN_OUT} under the plan's exclusions.",
            )
        self.missing.append((part[-1].arm, row.item, sample))
        return False
