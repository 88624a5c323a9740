"""Attacks on cases whose dictionary is of several blocks."""

from __future__ import annotations

import numpy as np

from tests.kit.block_cases import blocks_case
from tests.kit.builder import KitCase, edit_record, edit_tensor
from tests.kit.cases import lenient
from tests.kit.register import attack
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
