"""Dictionaries of a plan by name: each as it is, and each stack as the one that it makes.

A stack has the features of its parts, part after part, and the parts' activations side by side;
a feature reads the block of its part, and adds to that block alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetycase.canonical import write
from safetycase.digest import sha256_hex
from safetycase.errors import MalformedInput, MethodRefused
from safetycase.methods.encode import in_blocks
from safetycase.methods.gap import Gap
from safetycase.record.identification import OfPart
from safetycase.record.plan import Plan, PlannedDictionary
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Evidence


def every_dictionary(plan: Plan) -> dict[str, PlannedDictionary]:
    """The plan's dictionaries, then its stacks, by name; not stacks of what it does not have.

    A stack is spelled as its first part, but with its own name, all blocks, and a digest made
    of those of its parts: its path, L0 and model are not its own.
    """
    known = {dictionary.id: dictionary for dictionary in plan.dictionaries}
    stacks = {
        stack.id: _as_one(stack.id, [known[part] for part in stack.parts])
        for stack in plan.stacks or ()
        if known.keys() >= set(stack.parts)
    }
    return {**stacks, **known}


def _as_one(name: str, parts: Sequence[PlannedDictionary]) -> PlannedDictionary:
    return parts[0].model_copy(
        update={
            "id": name,
            "layers": tuple(part.layer for part in parts),
            "manifest_digest": stack_digest([part.manifest_digest for part in parts]),
        }
    )


def stack_digest(parts: Sequence[str]) -> str:
    """SHA-256 of the RFC 8785 spelling of the list of the parts' manifest digests, in order."""
    return sha256_hex(write(list(parts)))


def parts_of(plan: Plan, name: str) -> tuple[str, ...]:
    """The names of the dictionaries behind a name: those of a stack, or the one."""
    return next((stack.parts for stack in plan.stacks or () if stack.id == name), (name,))


def is_stack(plan: Plan, axis: Axis) -> bool:
    """Whether the features of an axis are those of a stack."""
    return len(parts_of(plan, axis.dictionary)) > 1


def with_stacks(plan: Plan, numbers: Mapping[str, int]) -> dict[str, int]:
    """Numbers by dictionary, and of each stack the sum of its parts', if all are known."""
    sums = {
        stack.id: sum(numbers[part] for part in stack.parts)
        for stack in plan.stacks or ()
        if numbers.keys() >= set(stack.parts)
    }
    return {**sums, **numbers}


def widths_of(axis: Axis, evidence: Evidence) -> list[int]:
    """Numbers of features of an axis's dictionary: of a stack part by part, else the one.

    Refused unless all are above zero.
    """
    widths = [int(width) for width in evidence.tensor(f"{axis.id}.width")]
    if not widths or min(widths) < 1:
        where = f"evidence/pooled.safetensors {axis.id}"
        raise MethodRefused(where, "widths above zero", found=str(widths))
    return widths


def part_numbers(features: Sequence[int] | NDArray[Any], widths: Sequence[int]) -> list[int]:
    """The number of the part, from 0, that each feature is of; past the last: their count."""
    ends = np.cumsum(np.array(widths, dtype=np.int64))
    return [int(part) for part in np.searchsorted(ends, features, side="right")]


def of_part(feature: int, widths: Sequence[int]) -> OfPart | None:
    """A feature of a stack as its own dictionary numbers it; none where there is but one."""
    if len(widths) == 1:
        return None
    [part] = part_numbers([feature], widths)
    return OfPart(part=part, feature=feature - sum(widths[:part]))


def outside_own_block(
    features: Sequence[int] | NDArray[Any], widths: Sequence[int], rows: NDArray[Any]
) -> list[int]:
    """Which rows [k, blocks · d], by number, hold anything outside the block of their part."""
    blocks = in_blocks(rows, len(widths)).any(axis=-1)
    own = np.array(part_numbers(features, widths))[:, None] == np.arange(len(widths))
    return [int(row) for row in np.flatnonzero((blocks & ~own).any(axis=1))]


def block_gaps(plan: Plan, axis: Axis, evidence: Evidence) -> Iterator[Gap]:
    """Decoder rows of a stack's features that lie in another block than their part's."""
    if not is_stack(plan, axis):
        return
    features = evidence.tensor(f"{axis.id}.features")
    rows = evidence.tensor(f"{axis.id}.w_dec")
    for row in outside_own_block(features, widths_of(axis, evidence), rows):
        where = f"evidence/dictionary.safetensors:{axis.id}.w_dec"
        yield Gap(where, f"feature {features[row]} in the block of its part", "in another")


def require_own_blocks(axis: Axis, evidence: Evidence) -> None:
    """Return only if all slices of a stack's features lie in the blocks of their parts."""
    features, widths = evidence.tensor(f"{axis.id}.features"), widths_of(axis, evidence)
    for name in ("w_enc", "w_dec"):
        outside = outside_own_block(features, widths, evidence.tensor(f"{axis.id}.{name}"))
        if outside:
            where = f"slices of {axis.dictionary}"
            expected = "features that read and write the block of their part alone"
            raise MalformedInput(where, expected, found=f"another in row {outside[0]}")
