"""Which dictionaries go together: a stack of others is a fault of the plan, and says which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from safetycase.methods.lint import lint
from tests.unit.methods.plans import plan_of
from tests.unit.methods.test_stacks import stacked_data

Change = Callable[[dict[str, Any]], None]


def test_dictionaries_of_several_blocks_go_together() -> None:
    assert lint(plan_of(stacked_data())) == []
    assert lint(plan_of(stacked_data("dict", "late", "last"))) == []


def _parts(*names: str) -> Change:
    return lambda plan: plan["stacks"][0].update(parts=list(names))


def _last(**fields: Any) -> Change:
    return lambda plan: plan["dictionaries"][2].update(fields)


def _of_a_stack(plan: dict[str, Any]) -> None:
    plan["stacks"].append({"id": "more", "parts": ["both", "last"]})


def _named_as_a_dictionary(plan: dict[str, Any]) -> None:
    plan["stacks"].append({"id": "late", "parts": ["dict", "last"]})


def _crosscoder(plan: dict[str, Any]) -> None:
    plan["dictionaries"][2] |= {"equation": "crosscoder.jumprelu.gs2", "layers": [6, 7]}


def _projected(plan: dict[str, Any]) -> None:
    plan["axes"][0]["candidate"] |= {
        "operation": "project_out",
        "unit": "projection_multiple",
    }


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_parts("dict", "nowhere"), "no dictionary nowhere; known: dict, late, last."),
        (_of_a_stack, "/stacks more /parts: both is a stack; name the dictionaries"),
        (_named_as_a_dictionary, "/dictionaries: late occurs 2 times"),
        (_parts("last", "dict"), "one dictionary a block, the lowest first, not blocks 6, 1."),
        (_parts("dict", "dict"), "one dictionary a block, the lowest first, not blocks 1, 1."),
        (_last(layer=1), "one dictionary a block, the lowest first, not blocks 1, 1."),
        (_last(site="mlp_out"), "parts of one site, not of resid_post, mlp_out"),
        (
            _last(equation="jumprelu.gs1"),
            "parts of one equation, not of jumprelu.gs2, jumprelu",
        ),
        (_last(equation="transcoder.jumprelu.gs2", site="mlp_in"), "last is transcoder.jump"),
        (_crosscoder, "last is crosscoder.jumprelu.gs2; a stack is of dictionaries that each"),
        (_projected, "/operation: both is of several blocks, and how far an activation"),
    ],
)
def test_others_do_not(change: Change, fault: str) -> None:
    plan = stacked_data()
    plan["model"]["architecture"] = "gemma3"
    change(plan)
    faults = lint(plan_of(plan))
    assert [found for found in faults if fault in found], faults
