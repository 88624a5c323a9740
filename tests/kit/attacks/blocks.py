"""Attacks on cases whose dictionary is of several blocks."""

from __future__ import annotations

import numpy as np

from tests.kit.block_cases import (
    StackedWorld,
    blocks_case,
    clean_case,
    stacked_case,
    stacked_plan,
)
from tests.kit.builder import KitCase, build_case, edit_record, edit_tensor
from tests.kit.cases import lenient
from tests.kit.places import KNOWLEDGE, axis_pointer
from tests.kit.register import attack
from tests.kit.toy_plan import dictionary_files, manifest_of
from tests.kit.toy_world import D_MODEL


@attack(
    "traces",
    "insider",
    refused_by={"TRC-002", "TRC-003", "TRC-006"},
    base=blocks_case,
    under=lenient,
)
def feature_that_reads_two_blocks(case: KitCase) -> KitCase:
    """Publish encoder slices of a feature that read two blocks, as no crosscoder's do.

    What it fires on in one block is put down to the other.
    """

    def widened(rows: np.ndarray) -> np.ndarray:
        changed = rows.copy()
        changed[0, D_MODEL // 2] = np.float32(1e-9)
        return changed

    return edit_tensor(case, "encoder", "watched.w_enc", widened)


@attack("provenance", "insider", refused_by={"PRO-004"}, base=blocks_case, under=lenient)
def block_of_a_crosscoder_unnamed(case: KitCase) -> KitCase:
    """State the path of the first block alone for a dictionary of two.

    Whoever repeats the measurement edits half of what was edited.
    """
    return edit_record(case, "/dictionaries/0/hook", "model.layers.1.output")


@attack("intervention", "insider", refused_by={"IVN-002"}, base=blocks_case, under=lenient)
def edit_of_two_blocks_said_to_be_of_one(case: KitCase) -> KitCase:
    """State that an intervention edits the first block alone.

    What is shipped is half of what was measured.
    """
    return edit_record(case, "/results/axes/0/intervention/hook", "model.layers.1.output")


@attack("provenance", "insider", refused_by={"PRO-004"}, base=stacked_case, under=lenient)
def part_of_a_stack_swapped(case: KitCase) -> KitCase:
    """Put the files of another dictionary of the same width in the place of a stack's part.

    The features named by their numbers are those of a dictionary that was never looked into.
    """
    files = dictionary_files("another")
    swapped = edit_record(case, "/dictionaries/1/files", files)
    return edit_record(swapped, "/dictionaries/1/manifest_digest", manifest_of(files))


@attack("intervention", "insider", refused_by={"IVN-002"}, base=stacked_case, under=lenient)
def stack_with_the_digest_of_a_part(case: KitCase) -> KitCase:
    """State the digest of a stack's first dictionary as that of the whole stack.

    Whoever ships the intervention takes the features of all blocks from one of them.
    """
    digest = case.plan["dictionaries"][0]["manifest_digest"]
    return edit_record(case, "/results/axes/0/intervention/dictionary_digest", digest)


@attack(
    "intervention",
    "insider",
    refused_by={"FEA-001", "IVN-001", "IVN-008"},
    unknown={"IVN-004", *(f"TRC-00{number}" for number in range(1, 7))},
    base=stacked_case,
    under=lenient,
)
def features_renumbered_between_the_parts_of_a_stack(case: KitCase) -> KitCase:
    """Say that a stack's first dictionary has one feature more, and its second one fewer.

    The second's first feature is looked up as the last of the first, which is another.
    """
    first, second = (entry["width"] for entry in case.record["dictionaries"])
    moved = edit_record(case, "/dictionaries/0/width", first + 1)
    moved = edit_record(moved, "/dictionaries/1/width", second - 1)
    for axis in case.plan["axes"]:
        moved = edit_tensor(moved, "pooled", f"{axis['id']}.width", _one_moved)
    return moved


def _one_moved(widths: np.ndarray) -> np.ndarray:
    return widths + np.array([1, -1], dtype=np.int64)


@attack("schema", "insider", refused_by={"SCH-004"}, base=stacked_case, under=lenient)
def widths_of_a_stack_moved_in_the_record_alone(case: KitCase) -> KitCase:
    """Give a stack's first dictionary a number more of activations, and its second one fewer.

    Their sum is right, and neither can be spliced into the model.
    """
    first, second = (entry["model_width"] for entry in case.record["dictionaries"])
    moved = edit_record(case, "/dictionaries/0/model_width", first + 1)
    return edit_record(moved, "/dictionaries/1/model_width", second - 1)


@attack("design", "insider", refused_by={"DES-001"}, base=stacked_case, under=lenient)
def stack_of_one_block_twice(_case: KitCase) -> KitCase:
    """Take two dictionaries of one block as one.

    Each would be read from an activation that the other has edited, in no order that is told.
    """
    plan = stacked_plan()
    plan["dictionaries"][1]["layer"] = plan["dictionaries"][0]["layer"]
    return build_case(plan, world=StackedWorld(7), signed=False)


@attack("intervention", "insider", refused_by={"IVN-002"}, base=clean_case, under=lenient)
def held_errors_said_to_be_dropped(case: KitCase) -> KitCase:
    """State that the errors of two blocks were dropped, where the unedited model's stood.

    Whoever repeats the intervention edits another activation.
    """
    return edit_record(case, axis_pointer(KNOWLEDGE, "intervention", "error_policy"), "none")


@attack("traces", "insider", refused_by={"TRC-002", "TRC-006"}, base=clean_case, under=lenient)
def later_block_with_an_error_of_its_own(case: KitCase) -> KitCase:
    """Publish other errors than those that the traced edits were added to.

    What an early edit does to a later block's error is passed off as nothing.
    """

    def grown(values: np.ndarray) -> np.ndarray:
        return values * np.float32(1.001)

    return edit_tensor(case, "traces", "knowledge.trace_reconstruction", grown)
