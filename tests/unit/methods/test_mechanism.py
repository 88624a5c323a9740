"""No claim says more of a mechanism than its arms can show."""

from __future__ import annotations

from typing import Any

import pytest

from safetycase.methods.mechanism import MEANINGS, mechanism
from safetycase.record.results import Condition
from tests.unit.methods.plans import plan_data, plan_of
from tests.unit.methods.test_wording import _findings


def _axis(kind: str, operation: str, sign: str, doses: list[float]) -> Any:
    axis = plan_data()["axes"][0]
    axis["claim"] |= {"kind": kind}
    axis["candidate"] |= {"operation": operation, "doses": doses}
    axis["dose_rule"] |= {"sign": sign}
    return axis


OUT = [-1.0, -0.5, 0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("kind", "operation", "sign", "doses", "failed", "expected"),
    [
        ("effect", "add", "negative", OUT, [], "intervention_sufficient"),
        ("effect", "ablate", "negative", OUT, [], "intervention_necessary"),
        ("effect", "project_out", "negative", OUT, ["shipped"], "intervention_necessary"),
        ("effect", "scale", "negative", OUT, [], "intervention_necessary"),
        ("effect", "scale", "negative", [-2.0, *OUT[1:]], [], "intervention_sufficient"),
        ("effect", "ablate", "positive", OUT, [], "intervention_sufficient"),
        ("effect", "ablate", "either", OUT, [], "intervention_sufficient"),
        ("effect", "clamp", "negative", OUT, [], "intervention_sufficient"),
        ("effect", "ablate", "negative", OUT, ["significant"], "behavioural_association"),
        ("effect", "add", "negative", OUT, ["sign_matters"], "behavioural_association"),
        ("no_harmful_change", "ablate", "negative", OUT, [], "behavioural_association"),
    ],
)
def test_the_kind_of_evidence_is_what_the_arms_show(
    kind: str, operation: str, sign: str, doses: list[float], failed: list[str], expected: str
) -> None:
    data = plan_data()
    data["axes"][0] = _axis(kind, operation, sign, doses)
    names = ["significant", "sign_matters", "shipped"]
    met = [Condition(id=name, holds=name not in failed, reason="r") for name in names]
    assert mechanism(_findings(plan_of(data)), met) == expected


@pytest.mark.parametrize("operation", ["ablate", "add"])
def test_all_edits_that_may_be_chosen_must_take_features_out(operation: str) -> None:
    data = plan_data()
    axis = data["axes"][0] = _axis("effect", "ablate", "negative", OUT)
    axis["alternatives"] = [axis["candidate"] | {"operation": operation}]
    met = [Condition(id="significant", holds=True, reason="r")]
    kind = "intervention_necessary" if operation == "ablate" else "intervention_sufficient"
    assert mechanism(_findings(plan_of(data)), met) == kind


def test_without_a_feature_there_is_none() -> None:
    plan = plan_of(plan_data())
    findings = _findings(plan)
    none = findings.identification.model_copy(update={"features": ()})
    bare = type(findings)(**(vars(findings) | {"identification": none}))
    assert mechanism(bare, []) is None


def test_no_kind_of_evidence_shows_a_sole_mechanism() -> None:
    assert all(text.endswith("is not shown.") for text in MEANINGS.values())
