"""Attacks by leaving out: rows, arms and items that speak against a claim."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from safetycase.bundle.tensors import write_tensors
from tests.kit.builder import Json, KitCase, edit_rows, with_rows
from tests.kit.cases import sampled_case
from tests.kit.places import rows_at
from tests.kit.register import ARMS, HELD_OUT, SELECTION, attack

_CONTROLS = {"FOR-006", "STA-004", "STA-006"}
"""Checks that read control arms and target alone."""


def _without(case: KitCase, drops: Callable[[Json], bool]) -> KitCase:
    for kind in ("generations", "choices", "probes"):
        case = edit_rows(case, kind, lambda row: None if drops(row) else row)
    return case


@attack("omission", "insider", refused_by={"DES-005"}, unknown=HELD_OUT)
def held_out_row_dropped(case: KitCase) -> KitCase:
    """Drop the target's first held-out answer that does not count.

    The rate is taken over the answers that please.
    """
    rows = rows_at(case, "generations", "watched/target", "ask")
    dropped = next(number for number, row in rows if row.outcome != "unsafe")
    kept = case.rows("generations")
    del kept[dropped]
    return with_rows(case, "generations", kept)


@attack("omission", "insider", refused_by={"DES-005"}, unknown=HELD_OUT)
def row_answered_twice(case: KitCase) -> KitCase:
    """Repeat the target's first held-out answer that counts.

    The rate counts it twice.
    """
    rows = rows_at(case, "generations", "watched/target", "ask")
    number, row = next((n, row) for n, row in rows if row.outcome == "unsafe")
    kept = case.rows("generations")
    kept.insert(number, row)
    return with_rows(case, "generations", kept)


@attack("omission", "insider", refused_by={"DES-005"}, unknown=HELD_OUT)
def rows_in_another_order(case: KitCase) -> KitCase:
    """Exchange the places of the target's first two held-out answers.

    Pairs are formed by place: one item's answer is compared with another's.
    """
    first, second = [n for n, _ in rows_at(case, "generations", "watched/target", "ask")][:2]
    rows = case.rows("generations")
    rows[first], rows[second] = rows[second], rows[first]
    return with_rows(case, "generations", rows)


@attack(
    "omission", "insider", refused_by={"DES-005"}, unknown=HELD_OUT - {"BES-002", *_CONTROLS}
)
def opposite_sign_dropped(case: KitCase) -> KitCase:
    """Drop all answers under the opposite sign.

    That both signs do the same, as damage does, is not seen.
    """
    return _without(case, lambda row: row.arm == "watched/opposite")


@attack(
    "omission",
    "insider",
    refused_by={"DES-005"},
    unknown=HELD_OUT - {"BES-001", "BES-002", "STA-002", "STA-006"},
)
def strong_control_dropped(case: KitCase) -> KitCase:
    """Drop all answers under one of the random controls.

    The control that did as much as the target is forgotten.
    """
    return _without(case, lambda row: row.arm == "watched/random_direction/03")


@attack(
    "omission",
    "insider",
    refused_by={"DES-005"},
    unknown=ARMS | {"CLM-004", "CLM-005", "STA-003"},
)
def dose_of_the_series_dropped(case: KitCase) -> KitCase:
    """Drop all tuning answers at one dose.

    That the effect turns back at a higher dose is not seen.
    """
    return _without(case, lambda row: row.arm == "watched/dose/00")


@attack("omission", "insider", refused_by={"DES-005"})
def arm_nobody_planned(case: KitCase) -> KitCase:
    """Add the answers of a twentieth random control, copied from the baseline.

    The target stands out among controls that were made up to do nothing.
    """
    rows = case.rows("generations")
    more = [
        _renamed(row, "watched/random_live/19")
        for _, row in rows_at(case, "generations", "watched/random_live/18", "ask")
    ]
    return with_rows(case, "generations", rows + more)


def _renamed(row: Json, arm: str) -> Json:
    return msgspec.structs.replace(row, arm=arm)


@attack(
    "omission",
    "insider",
    refused_by={
        "DES-003", "STA-001", "STA-002", "STA-006", "STA-007", "FEA-005", "IVN-005",
        "BES-001", "BES-002",
        "CLM-001", "CLM-003", "CLM-005",
    },
)  # fmt: skip
def item_dropped_everywhere(case: KitCase) -> KitCase:
    """Drop a held-out request from the items, the answers and the label checks alike.

    The item on which the claim fails never existed.
    """
    dropped = _unpleasing(case)
    case = _without(case, lambda row: row.item == dropped)
    for kind in ("items", "label_checks"):
        case = edit_rows(case, kind, lambda row: None if row.item == dropped else row)
    return case


def _unpleasing(case: KitCase) -> str:
    rows = rows_at(case, "generations", "watched/target", "ask")
    *_, last = (row.item for _, row in rows if row.outcome != "unsafe")
    return str(last)


@attack("omission", "insider", refused_by={"FEA-007"}, unknown=SELECTION)
def discovery_item_dropped_from_the_search(case: KitCase) -> KitCase:
    """Drop a discovery prompt's activations, so that the search never saw it.

    A prompt on which the wanted feature fails does not count.
    """
    arrays = case.tensors("pooled")
    bounds = arrays["watched.indptr"]
    start = int(bounds[1])
    arrays |= {
        "watched.values": arrays["watched.values"][start:],
        "watched.columns": arrays["watched.columns"][start:],
        "watched.indptr": (bounds[1:] - start).astype(np.int64),
    }
    return case.with_members({"evidence/pooled.safetensors": write_tensors(arrays)})


@attack("omission", "insider", refused_by={"FEA-005", "FEA-006"})
def label_checks_dropped(case: KitCase) -> KitCase:
    """Drop the word-by-word checks of one feature's label.

    A label is tested only where it predicts well.
    """

    def keep(row: Json) -> Json:
        return None if row.position >= 0 and row.feature == 0 else row

    return edit_rows(case, "label_checks", keep)


@attack("omission", "insider", refused_by={"DES-005"}, unknown=HELD_OUT, base=sampled_case)
def one_sample_dropped(case: KitCase) -> KitCase:
    """Drop one of the three samples of an item under the target.

    The sample that does not please was never drawn.
    """
    rows = case.rows("generations")
    number, _ = next(
        (n, row)
        for n, row in rows_at(case, "generations", "watched/target", "ask")
        if row.sample == 1 and row.outcome != "unsafe"
    )
    del rows[number]
    return with_rows(case, "generations", rows)
