"""Attacks on what a case says of its time, its release and what is taken on trust."""

from __future__ import annotations

from functools import cache

from safetycase.digest import sha256_hex
from safetycase.verify.policy import Policy
from tests.kit.builder import KitCase, build_case, edit_record, edit_row, policy
from tests.kit.places import rows_at
from tests.kit.register import attack
from tests.kit.seal import payload_of
from tests.kit.toy_plan import CANARY, chatting_plan, toy_plan
from tests.kit.turn_cases import DirectedWorld, directed_case, directed_plan


@attack("governance", "insider", refused_by={"GOV-001"})
def expired_case_put_forward(_case: KitCase) -> KitCase:
    """Hand in a case whose own plan says that it holds no longer.

    A model is released on what was true of it last year.
    """
    plan = toy_plan()
    plan["lifecycle"]["valid_until"] = "2026-11-22T12:00:00Z"
    return build_case(plan, signed=False)


def _first_edition(case: KitCase) -> KitCase:
    return edit_record(case, "/extensions", {"edition": "first"})


@cache
def _knows_a_newer_case() -> Policy:
    from tests.kit.builder import honest_case  # noqa: PLC0415 — built when it is first asked for

    return policy(superseded=[sha256_hex(payload_of(_first_edition(honest_case())))])


@attack("governance", "insider", refused_by={"GOV-002"}, under=_knows_a_newer_case)
def superseded_case_put_forward(case: KitCase) -> KitCase:
    """Hand in the first edition of a case to somebody who knows that a second one replaced it.

    What the second edition took back is claimed again.
    """
    return _first_edition(case)


@cache
def _knows_a_newer_model() -> Policy:
    return policy(current_model="e" * 64)


@attack("governance", "insider", refused_by={"GOV-002"}, under=_knows_a_newer_model)
def case_of_an_earlier_snapshot(case: KitCase) -> KitCase:
    """Hand in a case of an earlier snapshot where the policy names the one on sale.

    The tested snapshot is not the released one.
    """
    return _first_edition(case)


@attack("governance", "insider", refused_by={"GOV-003"})
def system_prompt_in_the_release_only(_case: KitCase) -> KitCase:
    """Measure the bare model, and release it behind a system prompt.

    Users meet a model that was never measured.
    """
    plan = toy_plan()
    plan["release"]["configuration"]["system_prompt"] = sha256_hex(b"You are a helpful toy.")
    return build_case(plan, signed=False)


@attack("governance", "insider", refused_by={"GOV-003"}, base=directed_case)
def system_texts_that_nobody_can_write(_case: KitCase) -> KitCase:
    """Ask scripts behind system texts of their own, of a release that lets nobody write one.

    Whatever system prompt the plan names, the answers were given behind others.
    """
    plan = directed_plan()
    del plan["release"]["callers_write_system"]
    return build_case(plan, world=DirectedWorld(7), signed=False)


@attack("governance", "insider", refused_by={"GOV-003"})
def bare_prompts_in_the_release_only(_case: KitCase) -> KitCase:
    """Measure the model in conversations, and release it as one that is put bare prompts.

    A model that was trained to refuse in conversations does not, outside of them.
    """
    plan = chatting_plan()
    plan["release"]["configuration"]["chat_template"] = None
    return build_case(plan, signed=False)


@attack("governance", "insider", refused_by={"GOV-003"})
def tested_system_prompt_restated(_case: KitCase) -> KitCase:
    """Say that the model was tested behind another system prompt than the plan puts there.

    A stern text is shown, and a lax one was measured; or the other way round.
    """
    case = build_case(chatting_plan(), signed=False)
    return edit_record(case, "/subject/tested/system_prompt", "a" * 64)


@attack("governance", "insider", refused_by={"GOV-003"})
def safeguard_that_only_watches(_case: KitCase) -> KitCase:
    """Claim an effect of the released safeguard, and release it in a mode that changes nothing.

    The mitigation that was measured does not act.
    """
    plan = toy_plan()
    plan["release"]["safeguards"] = [{"axis": "watched", "mode": "monitor"}]
    return build_case(plan, signed=False)


@attack("governance", "insider", refused_by={"GOV-003"})
def safeguard_left_out_of_the_release(_case: KitCase) -> KitCase:
    """Claim an effect of the released safeguard, and leave it out of the planned release.

    The mitigation that was measured is not in the product.
    """
    plan = toy_plan()
    plan["release"]["safeguards"] = []
    return build_case(plan, signed=False)


@attack("governance", "insider", refused_by={"GOV-003"})
def tested_tokenizer_restated(case: KitCase) -> KitCase:
    """State another tokenizer for the tested model than the one among its files.

    The record agrees with whatever is released.
    """
    return edit_record(case, "/subject/tested/tokenizer", "a" * 64)


@attack("governance", "insider", refused_by={"GOV-003"})
def released_model_restated(case: KitCase) -> KitCase:
    """State another released model in the record than in the plan.

    The case is filed under a model that the plan does not speak of.
    """
    return edit_record(case, "/subject/released/model", "a" * 64)


@attack("governance", "insider", refused_by={"GOV-004"})
def canary_in_an_answer(case: KitCase) -> KitCase:
    """Declare that the items were not in training, where the model prints their canary.

    What was learnt by heart is reported as behaviour.
    """
    number, row = next(rows_at(case, "generations", "baseline", "ask", "discovery"))
    return edit_row(case, "generations", number, output=f"{row.output} {CANARY}")
