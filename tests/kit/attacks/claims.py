"""Attacks on words: conditions, claims, decision, argument and limitations."""

from __future__ import annotations

from tests.kit.builder import OTHER_SIGNER, KitCase, edit_record, remove_from_record
from tests.kit.cases import failing_case, lenient, override, unmoved_case
from tests.kit.places import KNOWLEDGE, WATCHED, axis_pointer, result
from tests.kit.register import attack
from tests.kit.seal import STATEMENT


def _condition(case: KitCase, axis: int, name: str) -> int:
    conditions = result(case, axis)["claim"]["conditions"]
    return next(n for n, condition in enumerate(conditions) if condition["id"] == name)


def _node(case: KitCase, name: str) -> int:
    return next(n for n, node in enumerate(case.record["argument"]) if node["id"] == name)


@attack("claims", "insider", refused_by={"CLM-001"}, base=failing_case, under=lenient)
def failed_condition_hidden(case: KitCase) -> KitCase:
    """Say of the condition on the random controls, which failed, that it holds.

    The one thing that speaks against the claim is not seen.
    """
    number = _condition(case, WATCHED, "exceeds_random_direction")
    pointer = axis_pointer(WATCHED, "claim", "conditions", number, "holds")
    assert not result(case, WATCHED)["claim"]["conditions"][number]["holds"]
    return edit_record(case, pointer, True)


@attack("claims", "insider", refused_by={"CLM-001"}, base=failing_case, under=lenient)
def failed_condition_left_out(case: KitCase) -> KitCase:
    """Leave out the condition that failed.

    All conditions that are shown hold.
    """
    number = _condition(case, WATCHED, "exceeds_random_direction")
    return remove_from_record(case, axis_pointer(WATCHED, "claim", "conditions", number))


@attack("claims", "insider", refused_by={"CLM-001"})
def figures_of_a_condition_reworded(case: KitCase) -> KitCase:
    """Write a larger effect into the words of a condition that holds anyway.

    Readers quote the words, not the figures.
    """
    number = _condition(case, WATCHED, "large_enough")
    pointer = axis_pointer(WATCHED, "claim", "conditions", number, "reason")
    return edit_record(case, pointer, "change in the claimed direction is at least +90 points")


@attack("claims", "insider", refused_by={"CLM-001"}, base=unmoved_case, under=lenient)
def failed_manipulation_check_hidden(case: KitCase) -> KitCase:
    """Say that awareness was suppressed, in a case where the probe saw no change.

    That nothing changes under an edit that does nothing passes for safety.
    """
    number = _condition(case, KNOWLEDGE, "moves.probe")
    pointer = axis_pointer(KNOWLEDGE, "claim", "conditions", number, "holds")
    assert not result(case, KNOWLEDGE)["claim"]["conditions"][number]["holds"]
    return edit_record(case, pointer, True)


@attack("claims", "insider", refused_by={"CLM-002"})
def claim_p_lowered(case: KitCase) -> KitCase:
    """State a smaller p for the claim than the largest of the tests it must pass.

    The weakest link is not counted.
    """
    return edit_record(case, axis_pointer(WATCHED, "claim", "p"), 1e-6)


@attack("claims", "insider", refused_by={"CLM-003"})
def claim_wording_strengthened(case: KitCase) -> KitCase:
    """Write that the mechanism was found, where an effect was shown.

    Readers take the sentence for what was verified.
    """
    text = "The features are the sole mechanism of the behaviour, in all models."
    return edit_record(case, axis_pointer(WATCHED, "claim", "wording"), text)


@attack("claims", "insider", refused_by={"CLM-003"}, base=failing_case, under=lenient)
def failed_claim_said_to_hold(case: KitCase) -> KitCase:
    """Say of a claim whose controls move as much as its target that it holds.

    A release rests on it.
    """
    return edit_record(case, axis_pointer(WATCHED, "claim", "holds"), True)


@attack("claims", "insider", refused_by={"CLM-004"}, base=failing_case, under=lenient)
def decision_tier_raised(case: KitCase) -> KitCase:
    """Raise the release tier from restricted to general.

    The model is released though a claim fails.
    """
    assert case.record["results"]["decision"]["tier"] == "restricted"
    return edit_record(case, "/results/decision/tier", "general")


@attack("claims", "insider", refused_by={"CLM-005"}, base=failing_case, under=lenient)
def defeater_marked_mitigated(case: KitCase) -> KitCase:
    """Mark the doubt that any perturbation would do the same as mitigated.

    The argument looks closed where it is open.
    """
    number = _node(case, "watched.doubt.controls")
    assert case.record["argument"][number]["state"] == "open"
    return edit_record(case, f"/argument/{number}/state", "mitigated")


@attack("claims", "insider", refused_by={"CLM-005"})
def argument_node_removed(case: KitCase) -> KitCase:
    """Remove the doubt that other runs may exist from the argument.

    What nothing in the case can answer is no longer asked.
    """
    return remove_from_record(case, f"/argument/{_node(case, 'watched.doubt.forking')}")


@attack("claims", "insider", refused_by={"CLM-008"})
def argument_in_a_circle(case: KitCase) -> KitCase:
    """Let the strategy rest on the goal that rests on the strategy.

    The decision is argued from nothing: no way leads from the claims to it.
    """
    return edit_record(case, f"/argument/{_node(case, 'by-axis')}/supports", "watched.goal")


@attack("claims", "insider", refused_by={"CLM-008"})
def doubt_moved_to_another_claim(case: KitCase) -> KitCase:
    """Let a doubt about one claim attack the other one instead.

    Whoever reads the claim that it is about does not meet it.
    """
    place = f"/argument/{_node(case, 'watched.doubt.controls')}/supports"
    return edit_record(case, place, "knowledge.goal")


@attack("claims", "insider", refused_by={"CLM-005", "CLM-008"})
def claim_that_nobody_doubts(case: KitCase) -> KitCase:
    """Take every reason to doubt a claim out of the argument.

    The claim looks as if nothing could be said against it.
    """
    nodes = [n for n in case.record["argument"] if not n["id"].startswith("watched.doubt.")]
    return edit_record(case, "/argument", nodes)


@attack("claims", "insider", refused_by={"CLM-005", "CLM-008"},
        base=failing_case, under=lenient)  # fmt: skip
def goal_that_holds_over_an_open_doubt(case: KitCase) -> KitCase:
    """Say in the argument that a goal holds whose doubt is open below it.

    The doubt stands on the page, and nothing follows from it.
    """
    return edit_record(case, f"/argument/{_node(case, 'watched.goal')}/state", "holds")


@attack("claims", "insider", refused_by={"CLM-003"})
def edit_that_suffices_called_necessary(case: KitCase) -> KitCase:
    """Say that the behaviour needs the features, where adding along them was all that was done.

    The features are taken for the mechanism of the behaviour.
    """
    pointer = axis_pointer(WATCHED, "claim", "mechanism")
    return edit_record(case, pointer, "intervention_necessary")


@attack("claims", "insider", refused_by={"CLM-003"})
def kind_of_evidence_left_out(case: KitCase) -> KitCase:
    """Leave out of a null claim that it shows no more than an association.

    A reader supplies a mechanism.
    """
    return remove_from_record(case, axis_pointer(KNOWLEDGE, "claim", "mechanism"))


@attack("claims", "insider", refused_by={"CLM-006"})
def limitation_removed(case: KitCase) -> KitCase:
    """Remove the sentence that nothing shows where the rows came from.

    Readers take the case for more than it is.
    """
    return remove_from_record(case, "/limitations/0")


@attack("claims", "insider", refused_by={"CLM-007"}, as_outsider=None)
def failing_case_put_forward(_case: KitCase) -> KitCase:
    """Hand in an honest case whose claim fails where the policy asks that all claims hold.

    That a case is verified is taken to mean that its claim holds.
    """
    return failing_case().with_members({STATEMENT: None})


@attack("claims", "insider", refused_by={"CLM-007"}, as_outsider=None)
def unmoved_null_claim_put_forward(_case: KitCase) -> KitCase:
    """Hand in an honest null claim whose manipulation check fails, where all claims must hold.

    An intervention that does nothing proves that nothing happens.
    """
    return unmoved_case().with_members({STATEMENT: None})


@attack("claims", "insider", refused_by={"CLM-009"}, base=failing_case, under=lenient)
def looser_tier_called_stricter(case: KitCase) -> KitCase:
    """Set the looser of the plan's tiers, and call that the stricter decision.

    A model whose claim fails is released, as if somebody had been careful.
    """
    return edit_record(case, "/override", override("general", "stricter"))


@attack("claims", "insider", refused_by={"CLM-009"}, base=failing_case, under=lenient)
def tier_that_the_plan_does_not_know(case: KitCase) -> KitCase:
    """Set a release tier that no rule of the plan speaks of.

    What the tier allows is decided afterwards.
    """
    return edit_record(case, "/override", override("partners", "looser"))


@attack("claims", "insider", unknown={"CLM-009"}, base=failing_case, under=lenient)
def looser_tier_set_by_nobody_in_particular(case: KitCase) -> KitCase:
    """Set the looser tier in the name of somebody whom the policy does not let do so.

    The rules said no, and somebody said yes.
    """
    return edit_record(case, "/override", override("general", "looser", OTHER_SIGNER))
