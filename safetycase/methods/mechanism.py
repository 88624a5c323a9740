"""What a claim shows of a mechanism: which kind of evidence its arms are.

An association is no effect; an edit that moves a rate is enough to move it; only taking the
features out shows that the behaviour needs them, and never that they are its sole mechanism:
what is ablated can be made up for elsewhere (McGrath et al. 2023, arXiv 2307.15771), and a
subspace can move what it does not carry (Makelov et al. 2023, arXiv 2311.17030).
"""

from __future__ import annotations

from collections.abc import Sequence

from safetycase.methods.claims import Findings
from safetycase.methods.grid import candidates
from safetycase.record.planned_axis import Axis
from safetycase.record.results import Condition, Mechanism

TAKES_OUT = frozenset({"scale", "ablate", "project_out"})
"""Operations that take features out, at doses from -1 to below 0."""

MEANINGS: dict[Mechanism, str] = {
    "behavioural_association": "The features tell the classes apart; that they have a part in "
    "the behaviour is not shown.",
    "intervention_sufficient": "The edit is enough to move the rate; that the behaviour needs "
    "these features is not shown.",
    "intervention_necessary": "The rate moves when the features are taken out; that they are "
    "the sole mechanism, or that nothing else can take their place, is not shown.",
}
"""What each kind of evidence says, and what it leaves open."""


def mechanism(findings: Findings, conditions: Sequence[Condition]) -> Mechanism | None:
    """The kind of evidence of a claim; none where no feature was found.

    More than an association is shown only by an effect that meets every condition; that it is
    not shipped makes it no smaller.
    """
    if not findings.identification.features:
        return None
    failed = {condition.id for condition in conditions if not condition.holds} - {"shipped"}
    if findings.axis.claim.kind != "effect" or failed:
        return "behavioural_association"
    taken_out = takes_out(findings.axis)
    return "intervention_necessary" if taken_out else "intervention_sufficient"


def takes_out(axis: Axis) -> bool:
    """Whether every dose that may be chosen takes features out, in part or whole."""
    return axis.dose_rule.sign == "negative" and all(
        edit.operation in TAKES_OUT
        and min((dose for dose in edit.doses if dose < 0.0), default=-2.0) >= -1.0
        for edit in candidates(axis)
    )
