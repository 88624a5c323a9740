"""Stage 5: how long the case holds, what is released, and what is taken on trust."""

from __future__ import annotations

from safetycase.methods import governance
from safetycase.methods.turns import turns_of
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, NotApplicable, Run, compared, told

FAMILY = Family(
    "GOV", "Governance", "A case says until when it holds, of what, and by whose word.",
    stage=5, tier="sound", needs=("plan",),
)  # fmt: skip


@FAMILY.check(
    1,
    proves="The plan says until when its case holds and what ends it sooner, and that time has "
    "not come at the time of this verification.",
    cannot_prove="That none of the events that void the case has happened.",
    references=("question 29 (staleness)", "EU GPAI Code of Practice, measure 7.6"),
    owns=("plan.json#/lifecycle",),
)
def case_is_in_force(case: OpenedCase) -> Run:
    """The case says until when it holds, and still does."""
    return (yield from told(governance.lifecycle_gaps(case.plan, case.at)))


@FAMILY.check(
    2,
    tier="asserted",
    needs=("plan", "statement"),
    proves="The policy knows of no case that has superseded this one, and the model measured "
    "is the one that the policy names as the current release.",
    cannot_prove="That the policy is up to date: it is its holder's.",
    references=("question 29 (staleness)", "question 24 (evaluated = released)"),
    absence_is_harmless=True,
    asks_policy=True,
)
def case_is_of_the_current_release(case: OpenedCase) -> Run:
    """The case is not superseded, and is about the current release."""
    policy, model = case.policy, case.plan.model.manifest_digest
    if not policy.superseded and policy.current_model is None:
        return NotApplicable("the policy names no superseded case and no current release")
    gaps = governance.standing_gaps(
        case.case_id, model, policy.superseded, policy.current_model
    )
    return (yield from told(gaps))


@FAMILY.check(
    3,
    needs=("record", "plan"),
    proves="The release that the plan states is what was measured (files, tokenizer, chat "
    "template, system prompt), and carries every deployed intervention in every answer; where "
    "scripts bring system texts of their own, it lets its callers write one.",
    cannot_prove="That this is what users reach, or that callers write what the items say.",
    references=("question 24 (evaluated = released)", "methodology 2.3 (release_config)"),
    owns=("plan.json#/release", "case.json#/subject/tested", "case.json#/subject/released"),
    absence_is_harmless=True,
)
def release_is_what_was_measured(case: OpenedCase) -> Run:
    """What is released is what was measured."""
    plan, subject = case.plan, case.record.subject
    release = None if plan.release is None else plan.release.configuration
    if subject.tested is not None or release is not None:
        tested = governance.measured_configuration(plan, subject.files)
        yield from compared(case, "/subject/tested", tested)
        yield from compared(case, "/subject/released", release)
    elif not any(axis.purpose == "deployed" for axis in plan.axes):
        return NotApplicable("nothing is meant to be deployed, and no release is stated")
    examined = yield from told(governance.release_gaps(plan, subject.files))
    if release is not None and any(turns_of(each) is not None for each in plan.evaluations):
        yield from told(governance.own_system_gaps(plan, case.evidence.items))
    return examined


@FAMILY.check(
    4,
    needs=("plan", "rows"),
    proves="The plan says what must be taken on trust: overlap with training data, "
    "elicitation, and the independence of the assessor; and no unedited answer prints a canary "
    "that the model is said not to have seen.",
    cannot_prove="That any of it is true: it is declared, not verified.",
    references=("question 25 (contamination)", "question 26 (elicitation)",
                "question 33 (independence)"),
    owns=("plan.json#/declarations",),
)  # fmt: skip
def trust_is_declared(case: OpenedCase) -> Run:
    """What must be taken on trust is said."""
    gaps = governance.declaration_gaps(case.plan, case.rows("generations"))
    return (yield from told(gaps))
