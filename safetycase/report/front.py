"""Page one: what was decided, how far each claim holds, who signed, what is not shown."""

from __future__ import annotations

from dataclasses import dataclass

from safetycase.report.source import Shown, Source
from safetycase.report.words import HOLDS, STATES, question_of, tier_meaning
from safetycase.verify.outcome import (
    TIERS,
    CheckResult,
    ClaimVerdict,
    OpenDefeater,
    Outcome,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Lowering:
    """A check that keeps a claim from the next tier, and what it found."""

    check: str
    outcome: str
    title: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A claim on page one: its sentence, whether it holds, how far."""

    axis: str
    anchor: str
    title: Shown
    status: str
    status_style: str
    """`holds`, `unsure` where the verdict does not carry it, or `fails`."""
    recorded_status: str | None
    """What the record says, where recomputation says something else."""
    wording: Shown
    recomputed_wording: str | None
    """The recomputed sentence, where it differs from the record's."""
    re_executed: tuple[str, ...]
    """Who measured rows again, and what that bounds."""
    tier: str
    meaning: str
    ladder: tuple[tuple[str, bool], ...]
    """Every tier, least first, and whether it was reached."""
    unmet: tuple[tuple[str, Shown], ...]
    """Conditions that are not met: the question, and the figures."""
    next_tier: str | None
    lowered_by: tuple[Lowering, ...]
    sentence: str
    """What may be said at this tier."""
    weaker: bool
    """Whether that leaves less than the wording."""
    doubts: tuple[OpenDefeater, ...]
    """Open defeaters: checks that the claim rests on and that did not pass."""


@dataclass(frozen=True, slots=True)
class DecisionView:
    """The release tier."""

    question: Shown
    tier: Shown
    reason: Shown
    recomputed: str | None
    """What recomputation gives, where it is not the record's tier."""
    override: tuple[Shown, ...]
    """Tier, direction, who, why, where somebody sets another one."""
    determinations: tuple[tuple[Shown, ...], ...]
    """Axis, determination, lower and upper bound and threshold of every rule that has one."""


@dataclass(frozen=True, slots=True)
class Front:
    """Everything on page one."""

    title: Shown
    model: Shown
    case_name: Shown
    case_id: str
    state: str
    state_word: str
    """The state as a style's name."""
    state_meaning: str
    reason: str
    policy_name: str
    policy_digest: str
    at: str
    signers: tuple[str, ...]
    decision: DecisionView
    claims: tuple[ClaimView, ...]
    order: str | None
    deviations: int
    withheld: int
    """Columns and files that are not published."""
    cannot_show: tuple[str, ...]


def front_page(source: Source, verdict: Verdict, case_id: str) -> Front:
    """Page one of a case under a verdict."""
    state, meaning = STATES.get(verdict.exit_code, STATES[4])
    return Front(
        title=source.show("/title"),
        model=source.show("/subject/name"),
        case_name=source.show("/id"),
        case_id=case_id,
        state=state,
        state_word=state.lower().replace(" ", "-"),
        state_meaning=meaning,
        reason=verdict.reason,
        policy_name=verdict.policy_name,
        policy_digest=verdict.policy_digest,
        at=verdict.at,
        signers=verdict.signers,
        decision=_decision(source, verdict),
        claims=tuple(
            claim_view(source, verdict, number)
            for number in range(len(source.case.results.axes))
        ),
        order=verdict.order,
        deviations=len(source.case.deviations),
        withheld=len(source.case.redactions or ()),
        cannot_show=verdict.what_cannot_be_known,
    )


def _decision(source: Source, verdict: Verdict) -> DecisionView:
    stated = source.case.results.decision.tier
    agreed = verdict.decision_tier == stated
    return DecisionView(
        question=source.planned("/decision/question"),
        tier=source.show("/results/decision/tier"),
        reason=source.show("/results/decision/reason"),
        recomputed=None if agreed else verdict.decision_tier or "no tier could be derived",
        override=tuple(
            source.show(f"/override/{name}")
            for name in ("tier", "direction", "by", "reason")
            if source.case.override is not None
        ),
        determinations=tuple(
            tuple(
                source.show(f"/results/decision/determinations/{number}/{name}")
                for name in ("axis", "determination", "low", "high", "threshold")
            )
            for number in range(len(source.case.results.decision.determinations or ()))
        ),
    )


def claim_view(source: Source, verdict: Verdict, number: int) -> ClaimView:
    """The claim of the axis of that number, from 0."""
    result = source.case.results.axes[number]
    judged = _judged(verdict, result.axis)
    here = f"/results/axes/{number}"
    rank = TIERS.index(judged.tier) if judged.tier in TIERS else 0
    agreed = judged.holds is None or judged.holds == result.claim.holds
    same_words = judged.wording == result.claim.wording
    return ClaimView(
        axis=result.axis,
        anchor=f"axis-{number}",
        title=source.planned(f"/axes/{number}/title"),
        status=HOLDS[judged.holds],
        status_style=_status_style(verdict, judged),
        recorded_status=None if agreed else HOLDS[result.claim.holds],
        wording=source.show(f"{here}/claim/wording"),
        recomputed_wording=None if same_words else judged.wording,
        re_executed=judged.re_executed,
        tier=judged.tier,
        meaning=tier_meaning(judged.tier),
        ladder=tuple((tier, place <= rank) for place, tier in enumerate(TIERS)),
        unmet=tuple(
            (
                question_of(source.plan.axes[number], condition.id),
                source.show(f"{here}/claim/conditions/{place}/reason"),
            )
            for place, condition in enumerate(result.claim.conditions)
            if not condition.holds
        ),
        next_tier=TIERS[rank + 1] if rank + 1 < len(TIERS) else None,
        lowered_by=tuple(_lowering(verdict, check) for check in judged.lowered_by),
        sentence=judged.sentence or judged.wording,
        weaker=judged.wording not in judged.sentence,
        doubts=judged.open_defeaters,
    )


def _judged(verdict: Verdict, axis: str) -> ClaimVerdict:
    for claim in verdict.claims:
        if claim.axis == axis:
            return claim
    return ClaimVerdict(axis, TIERS[0], None, "The verdict does not speak of this claim.", ())


def _status_style(verdict: Verdict, judged: ClaimVerdict) -> str:
    if not judged.holds:
        return "fails"
    known = judged.tier in TIERS[TIERS.index("recomputed") :]
    return "holds" if verdict.verified and known else "unsure"


def _lowering(verdict: Verdict, check: str) -> Lowering:
    for result in verdict.results:
        if result.check == check:
            return Lowering(check, result.outcome.value, result.title, first_sentence(result))
    return Lowering(check, Outcome.UNKNOWN.value, "Not among the checks that were run.", "")


def first_sentence(result: CheckResult) -> str:
    """What a check found first that is not a pass, in words; its first finding otherwise."""
    findings = sorted(result.findings, key=lambda found: found.outcome is Outcome.PASS)
    return findings[0].sentence if findings else ""
