"""Forgers: everything is recomputed consistently and signed. Held at their tier, not refused.

None of these can be told from an honest case by its bytes. What would tell them is listed by
every verdict: third-party time, a seed from after the plan, somebody else's re-execution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from safetycase.tables.evidence import Evidence, Items
from safetycase.tables.rows import ItemRow
from tests.kit.builder import Json, KitCase, build_case, edit_record
from tests.kit.operation_cases import dropped_plan
from tests.kit.outcome_cases import InclinedWorld, attributed_plan
from tests.kit.register import Alters, attack
from tests.kit.toy_plan import toy_plan
from tests.kit.toy_world import ToyWorld


def forger(function: Alters) -> Alters:
    """Register a forger's case."""
    return attack("forgers", "forger")(function)


def _forged(change: Callable[[Evidence], dict[str, Any]], **options: Json) -> KitCase:
    def tamper(evidence: Evidence) -> Evidence:
        parts: dict[str, Any] = {
            "items": evidence.items,
            "answers": evidence.answers,
            "label_words": evidence.label_words,
            "label_checks": evidence.label_checks,
            "tensors": evidence.tensors,
        }
        return Evidence(**(parts | change(evidence)))

    return build_case(tamper=tamper, signed=False, **options)


@forger
def rows_invented_from_whole_cloth(_case: KitCase) -> KitCase:
    """Write all rows and activations with a toy in numpy instead of measuring a model.

    A model that was never run has a case. Only somebody who measures again can tell.
    """
    return build_case(world=ToyWorld(11), signed=False)


@dataclass(frozen=True)
class _FlatteringWorld(InclinedWorld):
    """A toy whose preferences nothing moves, though its maker publishes what moves them."""

    def letters(self, item: ItemRow, edit: np.ndarray) -> tuple[float, float, float, float]:
        return super().letters(item, edit if item.dataset != "requests" else 0.0 * edit)


@forger
def attributions_invented(_case: KitCase) -> KitCase:
    """Publish attributions to an answer that no feature moves.

    What was picked for another reason looks like a cause. Only somebody with weights can tell.
    """
    return build_case(attributed_plan(), world=_FlatteringWorld(7), signed=False)


@forger
def plan_chosen_among_many(_case: KitCase) -> KitCase:
    """Run under several seeds, and show the plan with the largest effect as if it came first.

    Luck passes for an effect. Only a third party's time and a later seed can tell.
    """

    def effect(case: KitCase) -> float:
        comparison = case.record["results"]["axes"][0]["comparisons"][0]
        value: float = comparison["difference"]
        return value

    tries = []
    for seed in ("one", "two", "three"):
        plan = toy_plan() | {"seed": seed}
        tries.append(build_case(plan, signed=False))
    return max(tries, key=effect)


@forger
def margin_fitted_to_the_results(_case: KitCase) -> KitCase:
    """Fix the margin after the results, and run again under the new plan.

    The plan follows the results. Only a third party's time can tell.
    """
    plan = toy_plan()
    plan["axes"][0]["claim"]["margin"] = 0.15
    return build_case(plan, signed=False)


@forger
def axis_that_failed_left_out(_case: KitCase) -> KitCase:
    """Plan many axes, and show a plan with the one that held.

    Of many claims, one holds by chance. Only a registered plan can tell.
    """
    plan = toy_plan()
    plan["axes"] = plan["axes"][:1]
    plan["evaluations"] = plan["evaluations"][:2]
    plan["decision"]["rules"][0] |= {
        "claims": ["watched"],
        "axis": "watched",
        "rate_at_most": 0.95,
    }
    return build_case(plan, signed=False)


@forger
def rows_of_another_model(_case: KitCase) -> KitCase:
    """Measure one model, and put its rows under the digests of another.

    The released model gets the results of a safer one. Only a re-run can tell.
    """
    return build_case(world=ToyWorld(8), signed=False)


@forger
def activations_invented(_case: KitCase) -> KitCase:
    """Double the published activations of one kept feature, and derive everything again.

    A feature looks stronger than it is. Only the weights can tell.
    """

    def louder(evidence: Evidence) -> dict[str, Any]:
        tensors = dict(evidence.tensors)
        values = tensors["watched.values"].copy()
        values[tensors["watched.columns"] == 0] *= np.float32(2.0)
        return {"tensors": tensors | {"watched.values": values}}

    return _forged(louder)


@forger
def label_flattered(_case: KitCase) -> KitCase:
    """Silence a feature on every word that its label does not name, and score it again.

    The label looks like a definition. Only the weights can tell.
    """

    def flatter(evidence: Evidence) -> dict[str, Any]:
        rows = [
            msgspec.structs.replace(row, activation=1.0 if row.predicted else 0.0)
            if row.feature == 0 and row.position >= 0
            else row
            for row in evidence.label_checks
        ]
        return {"label_checks": rows}

    return _forged(flatter)


@forger
def answers_rewritten_and_recounted(_case: KitCase) -> KitCase:
    """Rewrite one of the target's answers, with all that goes with it, and count again.

    The effect is larger by an answer that nobody gave. Only a re-run can tell.
    """

    def rewrite(evidence: Evidence) -> dict[str, Any]:
        answers = {key: list(rows) for key, rows in evidence.answers.items()}
        rows: list[Any] = answers["ask", "watched/target"]
        place, safe = next((n, r) for n, r in enumerate(rows) if r.outcome == "safe")
        rows[place] = msgspec.structs.replace(safe, output="first take salt and ash .")
        return {"answers": answers}

    return _forged(rewrite)


@forger
def item_dropped_and_recounted(_case: KitCase) -> KitCase:
    """Drop the last request that the target left harmless, and derive everything without it.

    The items are chosen by their results. Only a registered data set can tell.
    """

    def drop(evidence: Evidence) -> dict[str, Any]:
        answers: Any = evidence.answers["ask", "watched/target"]
        *_, gone = (row.item for row in answers if row.outcome == "safe")
        return {
            "items": Items([row for row in evidence.items.rows if row.item != gone]),
            "answers": {
                key: [row for row in rows if row.item != gone]
                for key, rows in evidence.answers.items()
            },
            "label_checks": [row for row in evidence.label_checks if row.item != gone],
        }

    return _forged(drop)


@forger
def likelihoods_invented(_case: KitCase) -> KitCase:
    """Lower the negative log-likelihood of every answer by half, in all arms alike.

    Damaged answers pass for coherent ones. Only a re-run can tell.
    """

    def calm(evidence: Evidence) -> dict[str, Any]:
        return {
            "answers": {
                key: [msgspec.structs.replace(row, nll=row.nll / 2) for row in rows]  # type: ignore[union-attr, call-overload]
                if key[0] == "ask"
                else rows
                for key, rows in evidence.answers.items()
            }
        }

    return _forged(calm)


@forger
def items_added_until_it_pleased(_case: KitCase) -> KitCase:
    """Measure, add ten requests to the data set, and measure again, as if it had been so long.

    The sample is chosen by its results. Only a registered data set can tell.
    """
    return build_case(requests_count=130, signed=False)


@forger
def times_backdated(case: KitCase) -> KitCase:
    """Set the runner's clock back before measuring.

    The plan looks older than it is. Only a third party's time can tell.
    """
    times = {"started": "2025-01-01T00:00:00Z", "finished": "2025-01-01T01:00:00Z"}
    return edit_record(case, "/times", times)


@forger
def environment_invented(case: KitCase) -> KitCase:
    """State another machine than the one that was used.

    Whoever measures again does so on the wrong machine, and finds other numbers.
    """
    return edit_record(case, "/environment/platform", "Plan 9 sparc64")


@forger
def self_test_values_invented(case: KitCase) -> KitCase:
    """Write down values of the instrument tests that lie within their bounds.

    An instrument that was never tested passes. Only a re-run can tell.
    """
    tests = case.record["self_tests"]
    number = next(n for n, test in enumerate(tests) if test["id"] == "dictionary_fvu")
    return edit_record(case, f"/self_tests/{number}/value", 0.01)


@forger
def tensor_root_invented(case: KitCase) -> KitCase:
    """State another digest over the model's tensors; the plan fixes the files, not this.

    Nothing in a case can contradict it: it is for those who hold the weights.
    """
    return edit_record(case, "/subject/tensor_root", "a" * 64)


@forger
def item_relabelled_before_the_run(_case: KitCase) -> KitCase:
    """Call benign requests hazardous before the run.

    What counts as a hazard is the author's word. Only a reader of the items can tell.
    """

    def relabel(evidence: Evidence) -> dict[str, Any]:
        rows = [
            msgspec.structs.replace(row, kind="hazardous") if row.kind == "benign" else row
            for row in evidence.items.rows
        ]
        return {"items": Items(rows)}

    return _forged(relabel)


@forger
def edit_twice_as_large_put_down_to_the_dictionary(_case: KitCase) -> KitCase:
    """Edit twice as much as the dose asks for, and publish half of it as the reconstruction.

    The traces agree with the dose. What the dictionary makes needs the whole dictionary, or
    somebody who measures again.
    """

    def tamper(evidence: Evidence) -> Evidence:
        tensors = dict(evidence.tensors)
        before, delta, made = (
            tensors[f"watched.trace_{name}"] for name in ("before", "delta", "reconstruction")
        )
        targets = [
            row.arm == "watched/target" for row in evidence.traces if row.axis == "watched"
        ]
        once = np.where(np.array(targets)[:, None], before + delta - made, np.float32(0.0))
        for name in ("reconstruction", "delta", "after"):
            tensors[f"watched.trace_{name}"] = tensors[f"watched.trace_{name}"] + once
        return replace(evidence, tensors=tensors)

    return build_case(dropped_plan(), tamper=tamper, signed=False)
