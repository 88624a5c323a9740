"""Attacks on the design: splits, questions, and plans that could not show what they claim."""

from __future__ import annotations

from safetycase.digest import sha256_hex
from safetycase.methods.derive import splits_of
from safetycase.record.plan import Plan
from tests.kit.builder import KitCase, build_case, edit_plan, edit_record, edit_row
from tests.kit.cases import lenient
from tests.kit.places import items_at
from tests.kit.register import HELD_OUT, SELECTION, attack
from tests.kit.toy_plan import toy_plan

_MARGIN = "/axes/0/side_effects/0/margin"
_REPLANNED = {"DES-002", "DES-003", "DES-005", "EVI-005", "FEA-007"}
"""What another plan digest contradicts: splits, their sizes, the grid, probe and search."""
_UNDRAWN = SELECTION | HELD_OUT | {"EVI-001", "IVN-002", "STA-003"}


def _with_wider_margin(case: KitCase) -> KitCase:
    """A plan with a margin of at least 0.3, whose digest gives other discovery items."""
    before = len(items_at(case, "requests", "discovery"))
    clusters = [row.cluster for row in case.rows("items") if row.dataset == "requests"]
    for thousandths in range(300, 400):
        edited = edit_plan(case, _MARGIN, thousandths / 1000)
        data = edited.members["plan.json"]
        splits = splits_of(Plan.model_validate_json(data), sha256_hex(data), clusters)
        if [splits[cluster] for cluster in clusters].count("discovery") != before:
            return edited
    raise AssertionError("a hundred plans, and one split")


@attack("design", "insider", refused_by={"PRO-001", *_REPLANNED}, unknown=_UNDRAWN)
def plan_edited_but_not_the_run(case: KitCase) -> KitCase:
    """Widen the margin of a side effect in the plan after the run, and change nothing else.

    Margins are fitted to the results.
    """
    return _with_wider_margin(case)


@attack("design", "insider", refused_by=_REPLANNED, unknown=_UNDRAWN)
def plan_edited_and_its_digest_too(case: KitCase) -> KitCase:
    """Widen the margin in the plan after the run, and let the record name the new digest.

    Margins are fitted to the results, and the record agrees.
    """
    edited = _with_wider_margin(case)
    return edit_record(edited, "/plan_digest", sha256_hex(edited.members["plan.json"]))


@attack("design", "insider", refused_by={"DES-002"})
def item_moved_to_the_held_out_split(case: KitCase) -> KitCase:
    """Say of a discovery item that it was held out.

    The features are tested on what they were found on.
    """
    number = items_at(case, "requests", "discovery")[0]
    return edit_row(case, "items", number, split="held_out")


@attack("design", "insider", refused_by={"DES-003"})
def held_out_split_enlarged(case: KitCase) -> KitCase:
    """State more held-out items than there are.

    The sample looks larger than it is.
    """
    return edit_record(case, "/results/splits/0/held_out", 450)


@attack("design", "insider", refused_by={"DES-004"})
def discovery_prompt_in_the_held_out_split(case: KitCase) -> KitCase:
    """Put a question of the discovery split, with spaces added, into the held-out split too.

    The model is tested on what was tuned on.
    """
    seen = items_at(case, "quiz_items", "discovery")[0]
    new = items_at(case, "quiz_items", "held_out")[0]
    prompt = case.rows("items")[seen].prompt.replace(" ", "  ").upper()
    return edit_row(case, "items", new, prompt=prompt)


@attack("design", "insider", refused_by={"DES-007"})
def question_counted_twice(case: KitCase) -> KitCase:
    """Let one held-out question stand under two names.

    The sample grows without new evidence, and the intervals shrink.
    """
    first, second = items_at(case, "quiz_items", "held_out")[:2]
    row = case.rows("items")[first]
    return edit_row(
        case, "items", second, prompt=row.prompt, target=row.target, other=row.other
    )


@attack("design", "insider", refused_by={"DES-001"}, unknown={"DES-006"}, under=lenient)
def too_few_controls_for_alpha(_case: KitCase) -> KitCase:
    """Plan and carry out honestly a comparison with nine controls, at alpha 0.05.

    The rank test can never reach alpha: the comparison is for show.
    """
    plan = toy_plan()
    plan["controls"] |= {"random_live_features": 9, "random_directions": 9}
    return build_case(plan, signed=False)


@attack("design", "insider", refused_by={"DES-001"}, under=lenient)
def null_claim_without_suppression(_case: KitCase) -> KitCase:
    """Plan and carry out honestly a claim that nothing changes, without a manipulation check.

    An intervention that does nothing would prove it.
    """
    plan = toy_plan()
    plan["axes"][1]["mediators"] = []
    return build_case(plan, signed=False)


@attack("design", "insider", refused_by={"DES-001"}, under=lenient)
def doses_of_one_sign(_case: KitCase) -> KitCase:
    """Plan and carry out honestly a dose series without the opposite sign.

    A mere perturbation looks like a mechanism with a direction.
    """
    plan = toy_plan()
    plan["axes"][0]["candidate"]["doses"] = [-0.4, -0.3, -0.2, -0.1, 0.0]
    return build_case(plan, signed=False)


@attack("design", "insider", refused_by={"CLM-007"}, unknown={"DES-006"})
def sample_too_small_for_its_margin(_case: KitCase) -> KitCase:
    """Plan and carry out honestly a claim of no change on a dozen held-out questions.

    What the sample cannot show is reported as absent.
    """
    return build_case(quiz_count=30, signed=False)
