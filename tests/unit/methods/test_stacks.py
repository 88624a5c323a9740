"""A stack is its parts: their features one after the other, their blocks side by side."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest

from safetycase.errors import MalformedInput, MethodRefused
from safetycase.methods import fit
from safetycase.methods.copies import scored_after
from safetycase.methods.encode import in_blocks, recomputed
from safetycase.methods.equations import dictionary_of, last_edited, read_place, written_place
from safetycase.methods.sites import Span
from safetycase.methods.stacks import (
    block_gaps,
    every_dictionary,
    is_stack,
    of_part,
    outside_own_block,
    part_numbers,
    parts_of,
    require_own_blocks,
    widths_of,
    with_stacks,
)
from safetycase.methods.tensors import depth_gaps, width_gaps
from safetycase.record.plan import Plan
from safetycase.tables.evidence import Evidence, Items
from tests.unit.methods.plans import plan_data, plan_of

DIGESTS = {"dict": "1" * 64, "late": "2" * 64, "last": "3" * 64}
LAYERS = {"dict": 1, "late": 4, "last": 6}


def stacked_data(*parts: str) -> dict[str, Any]:
    data = plan_data()
    [dictionary] = data["dictionaries"]
    data["dictionaries"] = [
        dictionary | {"id": name, "layer": layer, "manifest_digest": DIGESTS[name]}
        for name, layer in LAYERS.items()
    ]
    data["stacks"] = [{"id": "both", "parts": list(parts or ("dict", "last"))}]
    data["axes"][0]["dictionary"] = "both"
    return data


def stacked(*parts: str) -> Plan:
    return plan_of(stacked_data(*parts))


def evidence_of(**tensors: Any) -> Evidence:
    axis = stacked().axes[0].id
    named = {f"{axis}.{name}": np.asarray(values) for name, values in tensors.items()}
    return Evidence(Items([]), {}, (), (), named)


def test_a_stack_stands_for_one_dictionary_of_its_parts_blocks() -> None:
    plan = stacked()
    axis = plan.axes[0]
    found = dictionary_of(plan, axis)
    assert (found.id, found.layer, found.layers) == ("both", 1, (1, 6))
    assert found.equation == plan.dictionaries[0].equation
    assert read_place(found) == written_place(found) == Span((1, 6), "resid_post")
    spelled = json.dumps([DIGESTS["dict"], DIGESTS["last"]], separators=(",", ":"))
    assert found.manifest_digest == hashlib.sha256(spelled.encode()).hexdigest()
    assert is_stack(plan, axis)
    assert parts_of(plan, "both") == ("dict", "last")
    assert parts_of(plan, "late") == ("late",)
    assert list(every_dictionary(plan)) == ["both", *LAYERS]


def test_edits_may_be_in_the_last_block_alone() -> None:
    """What is read before that block need not move, though an earlier one is of the stack."""
    plan = stacked()
    assert last_edited(plan, plan.axes[0]) == 6
    alone = plan_of(plan_data())
    assert last_edited(alone, alone.axes[0]) == 1
    probe = {"kind": "probe", "contrast": "items", "positive": "harmful", "layer": 5}
    data = stacked_data()
    data["evaluations"].append(
        {"id": "seen", "dataset": "items", "title": "a probe", "measure": probe}
    )
    plan = plan_of(data)
    assert "seen" in scored_after(plan, plan.dictionaries[1].layer)
    assert "seen" not in scored_after(plan, last_edited(plan, plan.axes[0]))


def test_other_parts_make_another_digest() -> None:
    made = {
        every_dictionary(stacked(*parts))["both"].manifest_digest
        for parts in [("dict", "last"), ("dict", "late"), ("last", "dict"), tuple(LAYERS)]
    }
    assert len(made) == 4


def test_a_stack_of_what_is_not_there_stands_for_nothing() -> None:
    plan = stacked("dict", "nowhere")
    assert list(every_dictionary(plan)) == list(LAYERS)
    with pytest.raises(MethodRefused):
        dictionary_of(plan, plan.axes[0])


def test_a_plan_without_stacks_spells_none() -> None:
    plan = plan_of(plan_data())
    assert "stacks" not in plan.spelled()
    assert not is_stack(plan, plan.axes[0])
    assert with_stacks(plan, {"dict": 3}) == {"dict": 3}


def test_sums_are_those_of_the_parts() -> None:
    assert with_stacks(stacked(), {"dict": 3, "late": 5, "last": 4})["both"] == 7
    assert "both" not in with_stacks(stacked(), {"dict": 3})


def test_a_part_is_tested_with_the_axis_of_its_stack() -> None:
    data = stacked_data()
    other = json.loads(json.dumps(data["axes"][0])) | {"id": "other", "dictionary": "late"}
    plan = plan_of(data | {"axes": [other, *data["axes"]]})
    assert [fit.tested_with(plan, name).id for name in LAYERS] == [
        plan.axes[1].id,
        "other",
        plan.axes[1].id,
    ]


def test_features_are_numbered_part_after_part() -> None:
    assert part_numbers([0, 2, 3, 6, 7], [3, 4]) == [0, 0, 1, 1, 2]
    assert of_part(2, [7]) is None
    numbered = [of_part(feature, [3, 4]) for feature in (0, 2, 3, 6)]
    assert [(n.part, n.feature) for n in numbered if n] == [(0, 0), (0, 2), (1, 0), (1, 3)]


@pytest.mark.parametrize("widths", [[], [0], [3, 0], [5, -2]])
def test_widths_are_above_zero(widths: list[int]) -> None:
    evidence = evidence_of(width=np.array(widths, dtype=np.int64))
    with pytest.raises(MethodRefused):
        widths_of(stacked().axes[0], evidence)


def rows() -> np.ndarray:
    """Three features of parts of two and one, in blocks of two numbers."""
    return np.array([[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 3, 1]], dtype=np.float32)


def test_rows_outside_the_block_of_their_part_are_found() -> None:
    assert outside_own_block([0, 1, 2], [2, 1], rows()) == []
    assert outside_own_block([0, 1, 2], [1, 2], rows()) == [1]
    assert outside_own_block([0, 1, 3], [2, 1], rows()) == [2]
    assert outside_own_block([], [2, 1], rows()[:0]) == []
    both = rows()
    both[0, 3] = 1e-9
    assert outside_own_block([0, 1, 2], [2, 1], both) == [0]
    with pytest.raises(MalformedInput):
        outside_own_block([0, 1, 2], [2, 1], rows()[:, :3])


def test_gaps_and_refusals_name_the_feature() -> None:
    plan = stacked()
    axis = plan.axes[0]
    given = {"features": [0, 1, 2], "w_dec": rows(), "w_enc": rows()}
    right = evidence_of(width=[2, 1], **given)
    assert list(block_gaps(plan, axis, right)) == []
    require_own_blocks(axis, right)
    wrong = evidence_of(width=[1, 2], **given)
    [gap] = block_gaps(plan, axis, wrong)
    assert gap.expected == "feature 1 in the block of its part"
    with pytest.raises(MalformedInput) as caught:
        require_own_blocks(axis, wrong)
    assert caught.value.found == "another in row 1"
    alone = plan_of(plan_data())
    assert list(block_gaps(alone, alone.axes[0], wrong)) == []


def test_stated_widths_are_held_part_by_part() -> None:
    plan = stacked()
    name = f"{plan.axes[0].id}.width"
    arrays = {name: np.array([3, 4], dtype=np.int64)}
    assert list(width_gaps(plan, {"dict": 3, "late": 9, "last": 4}, arrays)) == []
    [gap] = width_gaps(plan, {"dict": 3, "late": 4, "last": 5}, arrays)
    assert gap.where == "case.json#/dictionaries last /width"
    assert list(depth_gaps(plan, {"dict": 8, "late": 7, "last": 8})) == []
    [gap] = depth_gaps(plan, {"dict": 8, "late": 8, "last": 7})
    assert gap.where == "case.json#/dictionaries last /model_width"


def test_each_block_is_normalised_by_itself() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 6)) * [1, 1, 1, 90, 90, 90]
    w = rng.normal(size=(2, 3))
    wide = np.zeros((2, 6))
    wide[0, :3], wide[1, 3:] = w
    parts = {
        "w_enc": wide,
        "bias": np.full(2, 3.0),
        "scale": np.ones(2),
        "shift": np.zeros(6),
        "normalisation": np.array([2]),
    }
    found = recomputed("standard.saelens", parts.__getitem__, x, blocks=2).exact
    for part in range(2):
        own = x[:, 3 * part : 3 * part + 3]
        normal = own * np.sqrt(3) / np.linalg.norm(own, axis=1, keepdims=True)
        np.testing.assert_allclose(found[:, part], np.maximum(normal @ w[part] + 3.0, 0))
    assert in_blocks(x, 3).shape == (5, 3, 2)
