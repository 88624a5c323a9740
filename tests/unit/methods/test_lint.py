from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from safetycase.methods.lint import lint
from safetycase.methods.refusals import refusals
from tests.unit.methods.plans import plan_data, plan_of


def test_a_sound_plan_has_no_fault() -> None:
    assert lint(plan_of(plan_data())) == []


def _too_few_controls(plan: dict[str, Any]) -> None:
    plan["controls"]["random_live_features"] = 18


def _too_few_directions(plan: dict[str, Any]) -> None:
    plan["controls"]["random_directions"] = 18


def _no_zero(plan: dict[str, Any]) -> None:
    plan["axes"][0]["candidate"]["doses"] = [-1.0, -0.5, 0.25, 0.5, 1.0]


def _one_sign(plan: dict[str, Any]) -> None:
    plan["axes"][0]["candidate"]["doses"] = [-2.0, -1.0, -0.5, -0.25, 0.0]


def _dose_twice(plan: dict[str, Any]) -> None:
    plan["axes"][0]["candidate"]["doses"] = [-1.0, -1.0, 0.0, 0.5, 1.0]


def _one_size(plan: dict[str, Any]) -> None:
    plan["axes"][0]["candidate"]["doses"] = [-1.0, 0.0, 1.0, 1.0, -1.0]


def _unknown_evaluation(plan: dict[str, Any]) -> None:
    plan["axes"][0]["claim"]["measure"]["evaluation"] = "aks"
    plan["axes"][0]["dose_rule"]["measure"]["evaluation"] = "aks"


def _site_without_architecture(plan: dict[str, Any]) -> None:
    plan["dictionaries"][0]["site"] = "mlp_out"


def _site_that_is_only_read(plan: dict[str, Any]) -> None:
    plan["model"]["architecture"] = "gemma3"
    plan["dictionaries"][0]["site"] = "mlp_in_ungained"


def _unknown_dictionary(plan: dict[str, Any]) -> None:
    plan["axes"][0]["dictionary"] = "dcit"


def _unknown_dataset_of_refusals(plan: dict[str, Any]) -> None:
    contrast = {"dataset": "itms", "label": "kind", "positive": "harmful"}
    asked = {"contrast": contrast, "operation": "project_out"}
    plan["axes"][0]["baselines"] = {"refusal_direction": asked}


def _refusals(**changes: Any) -> dict[str, Any]:
    contrast = {"dataset": "items", "label": "kind", "positive": "harmful"}
    asked = {"contrast": contrast, "operation": "project_out", "layers": "all"} | changes
    return {"refusal_direction": asked}


def _added_at_every_layer(plan: dict[str, Any]) -> None:
    plan["axes"][0]["baselines"] = _refusals(operation="add")


def _every_layer_of_an_mlp(plan: dict[str, Any]) -> None:
    plan["model"]["architecture"] = "gemma3"
    plan["dictionaries"][0]["site"] = "mlp_out"
    plan["axes"][0]["baselines"] = _refusals()


def _unknown_dataset(plan: dict[str, Any]) -> None:
    plan["axes"][0]["selection"]["contrast"]["dataset"] = "itms"


def _rule(plan: dict[str, Any], **changes: Any) -> None:
    plan["evaluations"][0]["measure"]["grader"]["rules"][0] |= changes


def _pattern_that_could_run_away(plan: dict[str, Any]) -> None:
    _rule(plan, match="regex", phrases=[r"(a+)+\1"])


def _no_pattern(plan: dict[str, Any]) -> None:
    _rule(plan, match="regex", phrases=[])


def _number_in_words(plan: dict[str, Any]) -> None:
    _rule(plan, match="numeric", phrases=["seven"])


def _tolerance_of_a_word(plan: dict[str, Any]) -> None:
    _rule(plan, tolerance=0.5)


def _list_of_ones_own(plan: dict[str, Any]) -> None:
    _rule(plan, match="refusal_lexicon_v1", phrases=["i can not"])


def _axis_twice(plan: dict[str, Any]) -> None:
    plan["axes"].append(plan["axes"][0])
    plan["controls"] |= {"random_live_features": 39, "random_directions": 39}


def _null_without_mediator(plan: dict[str, Any]) -> None:
    plan["axes"][0]["claim"]["kind"] = "no_harmful_change"


def _tuned_on_another_rate(plan: dict[str, Any]) -> None:
    plan["axes"][0]["dose_rule"]["measure"] = {"evaluation": "ask", "outcomes": ["refusal"]}


def _rule_of_unknown_axis(plan: dict[str, Any]) -> None:
    plan["decision"]["rules"][0]["claims"] = ["axes"]


def _bound_without_axis(plan: dict[str, Any]) -> None:
    plan["decision"]["rules"][0]["rate_at_most"] = 0.1


def _system(
    text: str, own: str | None = None, *, chat: bool = True
) -> Callable[[dict[str, Any]], None]:
    """A plan with a system prompt as the simpler intervention, beside the plan's own."""

    def change(plan: dict[str, Any]) -> None:
        plan["axes"][0]["baselines"] = {"system": text}
        if chat:
            said = {} if own is None else {"system": own}
            plan["chat_template"] = {"sha256": "0" * 64} | said

    return change


def _system_of_given_texts(plan: dict[str, Any]) -> None:
    _system("Be careful.")(plan)
    measure = {"kind": "perplexity", "nll_ceiling": 2.0}
    plan["evaluations"].append(
        {"id": "prose", "dataset": "items", "title": "prose", "measure": measure}
    )
    kept = {"evaluation": "prose", "outcomes": ["above"]}
    plan["axes"][0]["side_effects"] = [
        {"id": "prose", "title": "prose", "measure": kept, "worse": "up", "margin": 0.1}
    ]


def _candidate(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """A plan whose edit is of another kind."""

    def change(plan: dict[str, Any]) -> None:
        plan["axes"][0]["candidate"] |= fields

    return change


_REFUSED = {"evaluation": "ask", "outcomes": ["refusal"]}


def _contrast(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """A plan whose classes are named by these fields alone."""

    def change(plan: dict[str, Any]) -> None:
        plan["axes"][0]["selection"]["contrast"] = {"dataset": "items", **fields}

    return change


def _refusal_by_no_outcome(plan: dict[str, Any]) -> None:
    contrast = {"dataset": "items", "label": "outcome"}
    asked = {"refusal_direction": {"contrast": contrast, "operation": "add"}}
    plan["axes"][0]["baselines"] = asked


def _outcome_of_another_dataset(plan: dict[str, Any]) -> None:
    plan["datasets"].append(plan["datasets"][0] | {"id": "others"})
    plan["axes"][0]["selection"]["contrast"] = {
        "dataset": "others",
        "label": "outcome",
        "measure": _REFUSED,
    }


def _attributed(
    rule: dict[str, Any] | None = None, **asked: Any
) -> Callable[[dict[str, Any]], None]:
    """A plan that ranks features by attribution to a quiz on the same items."""

    def change(plan: dict[str, Any]) -> None:
        plan["datasets"].append(plan["datasets"][0] | {"id": "others"})
        for name, dataset in (("quiz", "items"), ("elsewhere", "others")):
            measure = {"kind": "choice"}
            plan["evaluations"].append(
                {"id": name, "dataset": dataset, "title": name, "measure": measure}
            )
        plan["axes"][0]["selection"] |= {
            "statistic": "attribution",
            "attribution": {"evaluation": "quiz", "direction": "up"} | asked,
            **(rule or {}),
        }

    return change


def _attributed_to_a_transcoder(plan: dict[str, Any]) -> None:
    _attributed()(plan)
    plan["model"]["architecture"] = "gemma3"
    plan["dictionaries"][0] |= {"site": "mlp_in", "equation": "transcoder.jumprelu.gs2"}


def _attributed_to_a_clt(plan: dict[str, Any]) -> None:
    _attributed()(plan)
    plan["model"]["architecture"] = "gemma3"
    plan["dictionaries"][0] |= {
        "site": "mlp_in",
        "equation": "clt.jumprelu.gs2",
        "layers": [1, 2],
    }


def _attribution_without_a_name(plan: dict[str, Any]) -> None:
    plan["axes"][0]["selection"]["statistic"] = "attribution"


def _generated_of_a_choice(plan: dict[str, Any]) -> None:
    plan["axes"][0]["candidate"]["positions"] = "generated"
    plan["evaluations"].append(
        {"id": "quiz", "dataset": "items", "title": "quiz", "measure": {"kind": "choice"}}
    )
    plan["axes"][0]["side_effects"] = [
        {
            "id": "quiz",
            "title": "quiz",
            "measure": {"evaluation": "quiz", "outcomes": ["matching"]},
            "worse": "down",
            "margin": 0.1,
        }
    ]


def _edits_of_other_positions(plan: dict[str, Any]) -> None:
    edit = plan["axes"][0]["candidate"]
    plan["axes"][0]["alternatives"] = [{**edit, "positions": "prompt"}]


def _edits_of_other_policies(plan: dict[str, Any]) -> None:
    edit = plan["axes"][0]["candidate"]
    plan["axes"][0]["alternatives"] = [{**edit, "error_policy": "none"}]


_ABLATE = {"operation": "ablate", "unit": "activation_multiple"}


@pytest.mark.parametrize(
    ("fault", "place"),
    [
        (_too_few_controls, "/controls/random_live_features"),
        (_too_few_directions, "/controls/random_directions"),
        (_no_zero, "/candidate/doses"),
        (_one_sign, "/candidate/doses"),
        (_dose_twice, "/candidate/doses"),
        (_one_size, "/candidate/doses"),
        (_candidate(operation="scale"), "/candidate/unit: scale is dosed in activation_mul"),
        (_candidate(unit="activation_value"), "/candidate/unit: add is dosed in residual_norm"),
        (_generated_of_a_choice, "/candidate/positions: generated tokens alone"),
        (_edits_of_other_positions, "/alternatives/0/positions: all edits of an axis"),
        (_edits_of_other_policies, "/alternatives/0/error_policy: all edits of an axis"),
        (_candidate(condition="where_active"), "/candidate/condition: only clamp has one"),
        (
            _candidate(**_ABLATE, doses=[-2.0, -1.0, 0.0, 0.5, 1.0]),
            "/candidate/doses: of ablate",
        ),
        (_unknown_evaluation, "no evaluation aks"),
        (_contrast(label="outcome"), "/selection/contrast: label outcome needs measure"),
        (_contrast(label="kind"), "/selection/contrast: label kind needs positive"),
        (
            _contrast(label="outcome", measure=_REFUSED, positive="refusal"),
            "/selection/contrast: measure stands with label outcome and without positive",
        ),
        (
            _contrast(label="context", measure=_REFUSED, positive="yes"),
            "/selection/contrast: measure stands with label outcome",
        ),
        (_refusal_by_no_outcome, "/refusal_direction/contrast: label outcome needs measure"),
        (
            _contrast(label="outcome", measure=_REFUSED | {"evaluation": "aks"}),
            "no evaluation aks",
        ),
        (_attributed({"statistic": "auroc"}), "/selection: statistic attribution and the"),
        (_attribution_without_a_name, "/selection: statistic attribution and the field"),
        (_attributed(evaluation="quizz"), "no evaluation quizz"),
        (_attributed(evaluation="ask"), "/selection/attribution: ask has no log-odds"),
        (_attributed(evaluation="elsewhere"), "/selection/attribution: elsewhere asks items"),
        (_attributed({"pooling": "last"}), "/selection/pooling: attribution is summed"),
        (_attributed_to_a_transcoder, "/attribution: dict is transcoder.jumprelu.gs2; take"),
        (_attributed_to_a_clt, "/attribution: dict is clt.jumprelu.gs2; take"),
        (_outcome_of_another_dataset, "/selection/contrast/measure: ask asks items of items"),
        (_unknown_dictionary, "no dictionary dcit"),
        (_site_without_architecture, "/dictionaries dict: mlp_out has no path"),
        (_site_that_is_only_read, "/dictionaries dict: mlp_in_ungained can be read"),
        (_pattern_that_could_run_away, "/grader/rules/0: pattern"),
        (_no_pattern, "/grader/rules/0: a rule of patterns"),
        (_number_in_words, "/grader/rules/0: a number"),
        (_tolerance_of_a_word, "/grader/rules/0: tolerance"),
        (_list_of_ones_own, "/grader/rules/0: the phrases"),
        (_unknown_dataset, "no dataset itms"),
        (_system("Be careful.", chat=False), "/baselines/system: a system message needs a ch"),
        (_system("Be careful.", "Be careful."), "/baselines/system: it is the plan's own"),
        (_system_of_given_texts, "/baselines/system: the texts of prose stand in no"),
        (_added_at_every_layer, "a direction is added at one layer"),
        (_every_layer_of_an_mlp, "a direction of mlp_out is not one of the residual stream"),
        (_unknown_dataset_of_refusals, "no dataset itms"),
        (_axis_twice, "/axes: axis occurs 2 times"),
        (_null_without_mediator, "/mediators"),
        (_tuned_on_another_rate, "/dose_rule/measure"),
        (_rule_of_unknown_axis, "/decision/rules/0"),
        (_bound_without_axis, "/decision/rules/0"),
    ],
)
def test_each_fault_is_named_with_its_place(
    fault: Callable[[dict[str, Any]], None], place: str
) -> None:
    data = plan_data()
    fault(data)
    findings = lint(plan_of(data))
    assert findings
    assert all(place in finding or "/candidate/doses" in finding for finding in findings)
    assert any(place in finding for finding in findings)


def test_classes_may_be_outcomes_of_the_same_dataset() -> None:
    data = plan_data()
    _contrast(label="outcome", measure=_REFUSED)(data)
    assert lint(plan_of(data)) == []


@pytest.mark.parametrize("own", [None, "Be yourself."])
def test_a_system_prompt_may_be_a_baseline_in_a_chat_plan(own: str | None) -> None:
    data = plan_data()
    _system("Be careful.", own)(data)
    assert lint(plan_of(data)) == []


def test_log_odds_of_the_same_items_may_be_attributed() -> None:
    data = plan_data()
    _attributed({"pooling": "mean"})(data)
    assert lint(plan_of(data)) == []


@pytest.mark.parametrize("place", ["claim", "contrast"])
def test_an_outcome_that_no_answer_can_have_is_refused_before_measuring(place: str) -> None:
    data = plan_data()
    typo = {"evaluation": "ask", "outcomes": ["refusla"]}
    if place == "claim":
        data["axes"][0]["claim"]["measure"] = data["axes"][0]["dose_rule"]["measure"] = typo
    else:
        _contrast(label="outcome", measure=typo)(data)
    told = [fault for fault in refusals(plan_of(data), ()) if "refusla" in fault]
    assert told
    assert all("ask cannot give the outcome refusla; it can give" in fault for fault in told)


def test_two_claims_need_thirty_nine_controls() -> None:
    data = plan_data()
    second = plan_data()["axes"][0]
    second["id"] = "second"
    data["axes"].append(second)
    data["controls"] |= {"random_live_features": 38, "random_directions": 39}
    (finding,) = lint(plan_of(data))
    assert "take 39" in finding


def test_an_empty_gain_and_another_axis_are_named_rightly() -> None:
    data = plan_data()
    [axis, *_] = data["axes"]
    counted = axis["claim"]["measure"]["outcomes"]
    axis["claim"] |= {"direction": "down", "not_by": {"outcomes": counted, "at_least": 0.1}}
    axis["off_target"] = [{"axis": "nowhere", "worse": "up", "margin": 0.1}] * 2
    faults = " ".join(lint(plan_of(data)))
    assert "/claim/not_by: " in faults
    assert "no other axis nowhere" in faults
    assert "nowhere occurs 2 times" in faults


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "add", "unit": "l2"},
        {"operation": "scale", "unit": "activation_multiple"},
        {**_ABLATE, "doses": [-1.0, -0.5, 0.0, 0.5, 1.0]},
        {"operation": "clamp", "unit": "activation_value", "condition": "where_active"},
        {"operation": "clamp", "unit": "max_activation_multiple"},
        {"operation": "project_out", "unit": "projection_multiple"},
    ],
)
def test_every_operation_has_a_unit(fields: dict[str, Any]) -> None:
    data = plan_data()
    _candidate(**fields)(data)
    assert lint(plan_of(data)) == []
