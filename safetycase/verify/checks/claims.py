"""Stage 9: claims, decision and argument say what the figures allow, and no more."""

from __future__ import annotations

from safetycase.methods.argument import breaks, limitations
from safetycase.methods.decision import objections
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, compared, told

FAMILY = Family(
    "CLM", "Claims", "Words may say no more than the figures allow.",
    stage=9, tier="recomputed", needs=("record", "plan", "rows", "tensors"),
)  # fmt: skip

_CANNOT = "That the rows behind the figures are the model's."


FAMILY.figures(
    1,
    "Every condition of a claim holds or fails as the figures say.",
    "claim/conditions",
    proves="Every condition of every claim is there, in its fixed order, and holds or fails as "
    "the recomputed figures say.",
    cannot_prove=_CANNOT,
    references=("design 6", "question 6 (exceeds controls)", "question 9 (coherence)",
                "question 10 (capability)", "question 11 (off-target)"),
)  # fmt: skip

FAMILY.figures(
    2,
    "Every claim's p is corrected over all claims of the plan.",
    "claim/p",
    "claim/p_adjusted",
    proves="The p of every claim is the largest of the tests it must pass, and its adjusted p "
    "is Holm's over all effect claims of the plan.",
    cannot_prove="That no other claims were tried and left out.",
    references=("https://www.jstor.org/stable/4615733", "question 4 (multiplicity)"),
)

FAMILY.figures(
    3,
    "Every claim is worded as its conditions allow.",
    "claim/wording",
    "claim/holds",
    "claim/mechanism",
    proves="Every claim's sentence is the strongest that its conditions allow, it is said to "
    "hold only if every condition does, and the kind of evidence for a mechanism is the one "
    "that its arms allow: an association, an edit that suffices, or features that are needed.",
    cannot_prove=f"{_CANNOT} That the features are the sole mechanism: no ablation shows that.",
    references=("design 6", "question 35 (mechanism claims)",
                "https://arxiv.org/abs/2311.17030", "https://arxiv.org/abs/2307.15771"),
)  # fmt: skip


@FAMILY.check(
    4,
    proves="The release tier is the one that the plan's first applicable rule gives, with "
    "rates taken at their upper bounds.",
    cannot_prove="That the rules are wise.",
    references=("design 4", "question 28 (threshold before results)"),
    owns=("case.json#/results/decision",),
)
def decision_follows_from_claims(case: OpenedCase) -> Run:
    """The release tier follows from claims and rates by the plan's rules."""
    return (yield from compared(case, "/results/decision", case.derived.decision))


@FAMILY.check(
    5,
    proves="The argument is the computed one: every claim with its evidence, and every reason "
    "to doubt it as open, mitigated or residual.",
    cannot_prove="That there are no other reasons to doubt.",
    references=("https://scsc.uk/gsn", "question 31 (defeaters)"),
    owns=("case.json#/argument",),
)
def argument_is_computed(case: OpenedCase) -> Run:
    """The argument is the one that follows from plan and results."""
    nodes = case.derived.argument
    return (yield from compared(case, "/argument", nodes, skip=frozenset({"supports"})))


@FAMILY.check(
    6,
    needs=("record", "plan"),
    proves="The case says of itself what no case of its kind and of its plan can show.",
    cannot_prove="That it says everything that it does not show.",
    references=("design 6", "question 31 (negative results)"),
    owns=("case.json#/limitations",),
)
def limitations_are_stated(case: OpenedCase) -> Run:
    """The fixed limitations are stated."""
    wanted = limitations(case.plan)
    for text in wanted:
        if text not in case.record.limitations:
            yield Fault("case.json#/limitations", text, "not stated")
    return len(wanted)


@FAMILY.check(
    7,
    tier="asserted",
    proves="The claims that the policy asks for hold, by recomputation.",
    cannot_prove=_CANNOT,
    references=("design 2", "question 28 (decision)"),
    absence_is_harmless=True,
    asks_policy=True,
)
def required_claims_hold(case: OpenedCase) -> Run:
    """The claims that the policy asks for hold."""
    names = case.policy.that_must_hold([axis.id for axis in case.plan.axes])
    if not names:
        return NotApplicable("the policy asks for no claim to hold")
    for name in names:
        claim = case.derived.claims.get(name)
        if claim is None:
            yield Fault("plan.json#/axes", f"an axis {name}", "none")
        elif not claim.holds:
            failed = "failed: " + ", ".join(c.id for c in claim.conditions if not c.holds)
            where = f"claim of {name}"
            yield Fault(where, "a claim that holds", failed, claim.wording, axis=name)
    return len(names)


@FAMILY.check(
    8,
    needs=("record", "plan"),
    proves="The argument is one tree without a circle, from every claim a way leads to the "
    "decision, every claim has a reason to doubt it, and none is open below a goal that holds.",
    cannot_prove="That a reason to doubt is answered well: CLM-005 compares, people judge.",
    references=("https://scsc.uk/gsn", "question 31 (defeaters)"),
    owns=("case.json#/argument/*/supports",),
)
def argument_is_a_tree_with_doubts(case: OpenedCase) -> Run:
    """The argument is one tree, and every claim in it has been doubted."""
    nodes = case.record.argument
    yield from told(breaks(case.plan, nodes), "case.json#")
    return len(nodes)


@FAMILY.check(
    9,
    tier="asserted",
    needs=("record", "plan", "statement"),
    proves="Where somebody sets another release tier than the rules give, it is one of the "
    "plan's, lies in the direction that is said, and a looser one is set by a signer of this "
    "case whom the policy lets do so. The derived tier stays what the rules give.",
    cannot_prove="That the reason is a good one.",
    references=("methodology 2.3 (override)", "question 28 (decision)"),
    owns=("case.json#/override",),
    absence_is_harmless=True,
)
def override_is_open(case: OpenedCase) -> Run:
    """Nobody sets a looser release tier than the rules give, unless the policy lets him."""
    override = case.record.override
    if override is None:
        return NotApplicable("nobody sets another tier than the rules give")
    trusted = set(case.policy.may_loosen) & set(case.signatures.verified)
    tier = case.derived.decision.tier
    return (yield from told(objections(case.plan, tier, override, trusted)))
