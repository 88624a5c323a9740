"""Attacks on fields: unknown versions, fields, columns, tensors and names."""

from __future__ import annotations

import msgspec
import numpy as np

from safetycase.bundle.tensors import write_tensors
from safetycase.digest import sha256_hex
from tests.kit.builder import (
    Json,
    KitCase,
    build_case,
    edit_record,
    edit_rows,
    edit_tensor,
    remove_from_record,
)
from tests.kit.places import axis_pointer, items_at
from tests.kit.register import attack, needing
from tests.kit.toy_plan import toy_plan

_LINE = 40


def _relined(case: KitCase, kind: str, old: bytes, new: bytes) -> KitCase:
    path = f"evidence/{kind}.jsonl"
    lines = case.members[path].split(b"\n")
    assert old in lines[_LINE]
    lines[_LINE] = lines[_LINE].replace(old, new)
    return case.with_members({path: b"\n".join(lines)})


@attack("schema", "insider", refused_by={"SCH-001"}, unknown=needing("record"))
def record_of_an_unknown_version(case: KitCase) -> KitCase:
    """Give the record the version of a later schema.

    Fields that this verifier does not know would decide what the others mean.
    """
    return edit_record(case, "/schema", "https://safetycase.dev/case/v2")


@attack("schema", "insider", refused_by={"SCH-001"}, unknown=needing("record"))
def field_that_no_schema_has(case: KitCase) -> KitCase:
    """Add a field to a claim that overrides it for those who know of it.

    Two readers of one version read two claims.
    """
    return edit_record(case, axis_pointer(0, "claim", "verified"), True)


@attack("schema", "insider", refused_by={"SCH-001"}, unknown=needing("record"))
def limitations_emptied(case: KitCase) -> KitCase:
    """Leave the list of limitations empty.

    A case that says of nothing that it is not shown passes for a complete one.
    """
    return edit_record(case, "/limitations", [])


@attack("schema", "insider", refused_by={"SCH-001"}, unknown=needing("record"))
def environment_removed(case: KitCase) -> KitCase:
    """Take the environment out of the record.

    Nobody can measure again what was measured nowhere.
    """
    return remove_from_record(case, "/environment")


@attack("schema", "insider", refused_by={"SCH-002"}, unknown=needing("plan"))
def plan_of_an_unknown_version(case: KitCase) -> KitCase:
    """Give the plan the version of a later schema.

    Rules that this verifier does not know would decide what was planned.
    """
    data = case.members["plan.json"].replace(b"/plan/v1alpha", b"/plan/v2")
    edited = case.with_members({"plan.json": data})
    return edit_record(edited, "/plan_digest", sha256_hex(data))


@attack("schema", "insider", refused_by={"SCH-003"}, unknown=needing("rows"))
def row_with_one_more_column(case: KitCase) -> KitCase:
    """Append a value to one row, beyond the columns of its table.

    A reader that knows the extra column sees another table.
    """
    return _relined(case, "choices", b"]", b',"approved"]')


@attack("schema", "insider", refused_by={"SCH-003"}, unknown=needing("rows"))
def nan_in_a_table(case: KitCase) -> KitCase:
    """Write NaN for the edit of one row.

    A mean over it is NaN, and every bound on it is kept.
    """
    return _relined(case, "choices", b",0,0.0,", b",0,NaN,")


@attack("schema", "insider", refused_by={"SCH-003"}, unknown=needing("rows"))
def log_probability_above_zero(case: KitCase) -> KitCase:
    """Write a log-probability above zero.

    One answer outweighs all others by more than certainty.
    """
    path = "evidence/choices.jsonl"
    head, line, rest = case.members[path].split(b"\n", 2)
    row: Json = msgspec.json.decode(line)
    row[3] = 2.5
    return case.with_members({path: b"\n".join([head, msgspec.json.encode(row), rest])})


@attack("schema", "insider", refused_by={"SCH-004"})
def tensor_that_nobody_planned(case: KitCase) -> KitCase:
    """Add a tensor of a second dictionary to the evidence.

    Evidence stands in a verified case that nothing has looked at.
    """
    arrays = case.tensors("dictionary") | {"other.w_dec": np.ones((2, 64), np.float32)}
    return case.with_members({"evidence/dictionary.safetensors": write_tensors(arrays)})


@attack("schema", "insider", refused_by={"SCH-004"}, unknown={"IVN-004"})
def tensor_in_another_type(case: KitCase) -> KitCase:
    """Store the directions in double precision, which no edit was made in.

    What was added and what is published differ where nobody looks.
    """
    return edit_tensor(
        case, "directions", "watched.directions", lambda rows: rows.astype(np.float64)
    )


@attack("schema", "insider", refused_by={"SCH-004"})
def dictionary_width_misstated(case: KitCase) -> KitCase:
    """State a dictionary of twice its width.

    The search looks harder, and its find rarer, than it was.
    """
    return edit_record(case, "/dictionaries/0/width", 128)


@attack("schema", "insider", refused_by={"SCH-005"})
def title_strengthened(case: KitCase) -> KitCase:
    """Give the record another title than the plan's: that the model is safe.

    The claim that nobody checked stands on the first line.
    """
    return edit_record(case, "/title", "The toy model is safe")


@attack("schema", "insider", refused_by={"SCH-006"})
def counted_outcome_that_cannot_occur(_case: KitCase) -> KitCase:
    """Let a side effect count answers as right that no grader ever gives.

    A side effect that is always zero is never worse than its margin.
    """
    plan = toy_plan()
    plan["axes"][0]["side_effects"][0]["measure"]["outcomes"] = ["brilliant"]
    return build_case(plan, signed=False)


@attack("schema", "insider", refused_by={"SCH-007"})
def item_name_twice(case: KitCase) -> KitCase:
    """Give two quiz questions one name, in all tables.

    One question's answers can stand for another's.
    """
    rows = case.rows("items")
    kept, renamed = (rows[n].item for n in items_at(case, "quiz_items", "discovery")[:2])

    def rename(row: Json) -> Json:
        return msgspec.structs.replace(row, item=kept) if row.item == renamed else row

    return edit_rows(edit_rows(case, "items", rename), "choices", rename)
