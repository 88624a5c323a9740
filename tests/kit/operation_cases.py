"""Honest cases of the toy whose edits depend on what they find."""

from __future__ import annotations

from functools import cache

from tests.kit.builder import Json, KitCase, build_case
from tests.kit.toy_plan import toy_plan


def _traced_plan() -> Json:
    plan = toy_plan() | {"audit": {"rows": 12, "positions": 3}}
    plan["controls"]["norm_tolerance"] = 0.5
    return plan


def scaled_plan() -> Json:
    """The toy plan, traced: its first axis scales its features, its second clamps them."""
    plan = _traced_plan()
    watched, knowledge = plan["axes"]
    watched["candidate"] |= {
        "operation": "scale",
        "unit": "activation_multiple",
        "doses": [-2.0, -1.0, 0.0, 1.0, 2.0],
    }
    knowledge["candidate"] |= {
        "operation": "clamp",
        "unit": "max_activation_multiple",
        "doses": [-1.0, -0.5, 0.0, 0.5, 1.0],
    }
    return plan


@cache
def scaled_case() -> KitCase:
    """An honest case of scaled and of clamped features."""
    return build_case(scaled_plan())


def dropped_plan() -> Json:
    """The toy plan, traced: what the dictionary does not explain is dropped under both axes.

    The first scales its features beside simpler interventions, the second adds.
    """
    plan = _traced_plan() | {"audit": {"rows": 40, "positions": 3}}
    watched, knowledge = plan["axes"]
    watched["candidate"] |= {
        "operation": "scale",
        "unit": "activation_multiple",
        "doses": [-2.0, -1.0, 0.0, 1.0, 2.0],
        "error_policy": "none",
    }
    watched["baselines"] = {
        "difference_in_means": True,
        "refusal_direction": _refusal("kind", "hazardous"),
    }
    knowledge["candidate"]["error_policy"] = "none"
    return plan


@cache
def dropped_case() -> KitCase:
    """An honest case whose edits are made on what the dictionary makes of activations."""
    return build_case(dropped_plan())


def dropped_projection_plan() -> Json:
    """The same, whose first axis takes a span out of what the dictionary makes."""
    plan = projected_plan()
    plan["axes"][0]["candidate"]["error_policy"] = "none"
    return plan


@cache
def dropped_projection_case() -> KitCase:
    """An honest case that takes a span out of reconstructions."""
    return build_case(dropped_projection_plan())


def tried_edits_plan() -> Json:
    """The toy plan, traced: adding does little on its first axis, projecting out does more."""
    plan = _traced_plan()
    watched = plan["axes"][0]
    watched["candidate"]["doses"] = [-0.02, -0.01, 0.0, 0.01, 0.02]
    watched["alternatives"] = [
        {
            **watched["candidate"],
            "operation": "scale",
            "unit": "activation_multiple",
            "doses": [-2.0, -1.0, 0.0, 1.0, 2.0],
        }
    ]
    return plan


@cache
def tried_edits_case() -> KitCase:
    """An honest case that takes the second of two edits."""
    return build_case(tried_edits_plan())


def projected_plan() -> Json:
    """The toy plan, traced, whose first axis projects the span of its features out."""
    plan = _traced_plan()
    plan["axes"][0]["candidate"] |= {
        "operation": "project_out",
        "unit": "projection_multiple",
        "doses": [-2.0, -1.0, 0.0, 1.0, 2.0],
    }
    return plan


@cache
def projected_case() -> KitCase:
    """An honest case whose first axis takes a span out of every activation."""
    return build_case(projected_plan())


def refusal_plan() -> Json:
    """The toy plan, traced: beside the target of one axis, which scales, a direction is added.

    Beside that of the other, which adds, one is taken out.
    """
    plan = _traced_plan() | {"audit": {"rows": 180, "positions": 1}}
    watched, knowledge = plan["axes"]
    watched["candidate"] |= {
        "operation": "scale",
        "unit": "activation_multiple",
        "doses": [-2.0, -1.0, 0.0, 1.0, 2.0],
    }
    watched["baselines"] = {"refusal_direction": _refusal("context", "deployment", "add")}
    knowledge["baselines"] = {"refusal_direction": _refusal("kind", "hazardous")}
    return plan


def _refusal(label: str, positive: str, operation: str = "project_out") -> Json:
    contrast = {"dataset": "requests", "label": label, "positive": positive}
    return {"contrast": contrast, "operation": operation}


@cache
def refusal_case() -> KitCase:
    """An honest case that says what features add to a refusal direction."""
    return build_case(refusal_plan())


def grouped_plan() -> Json:
    """The toy plan, traced: one feature is kept and scaled, with what fires beside it.

    The other axis keeps both planted features, which bring in nothing more.
    """
    plan = _traced_plan() | {"audit": {"rows": 8, "positions": 3}}
    for axis in plan["axes"]:
        axis["selection"]["groups"] = {"cosine": 0.5, "co_firing": 0.5, "at_most": 2}
    watched = plan["axes"][0]
    watched["selection"]["keep"] = 1
    watched["candidate"] |= {
        "operation": "scale",
        "unit": "activation_multiple",
        "doses": [-2.0, -1.0, 0.0, 1.0, 2.0],
    }
    return plan


@cache
def grouped_case() -> KitCase:
    """An honest case that edits a decoder neighbour with a kept feature."""
    return build_case(grouped_plan())


def everywhere_plan() -> Json:
    """The toy plan, traced: a refusal direction is taken out at every layer."""
    plan = toy_plan() | {"audit": {"rows": 8, "positions": 3}}
    asked = _refusal("context", "evaluation") | {"layers": "all"}
    plan["axes"][0]["baselines"] = {"refusal_direction": asked}
    return plan


@cache
def everywhere_case() -> KitCase:
    """An honest case with an arm that is edited at every layer."""
    return build_case(everywhere_plan())


def refused_plan() -> Json:
    """The toy plan, with a refusal direction between what the toy refuses and what not."""
    plan = toy_plan()
    measure = {"evaluation": "ask", "outcomes": ["refusal"]}
    contrast = {"dataset": "requests", "label": "outcome", "measure": measure}
    asked = {"contrast": contrast, "operation": "project_out"}
    plan["axes"][0]["baselines"] = {"refusal_direction": asked}
    return plan


@cache
def refused_case() -> KitCase:
    """An honest case whose refusal direction lies between what the toy did."""
    return build_case(refused_plan())
