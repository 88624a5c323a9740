"""From the outcomes of checks to tiers, exit code and verdict."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from safetycase.errors import SafetyCaseError, UsageError
from safetycase.methods.governance import declared
from safetycase.methods.wording import observed, weakened
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Check
from safetycase.verify.checks import all_checks
from safetycase.verify.outcome import (
    BAD,
    TIERS,
    WHAT_CANNOT_BE_KNOWN,
    CheckResult,
    ClaimVerdict,
    Finding,
    OpenDefeater,
    Outcome,
    Verdict,
)
from safetycase.verify.policy import Policy

LAST_STOPPING_STAGE = 3
"""A failure up to here stops the rest: what cannot be trusted to be the case is not derived."""

VERIFIED, NOT_VERIFIED, USAGE, UNDECIDED, VERIFIER_FAILED = range(5)
"""Exit codes."""

Value = TypeVar("Value")


def required_checks(policy: Policy) -> frozenset[str]:
    """Ids of the checks that the policy requires.

    `all` is every check that a claim of the minimum tier rests on, and those that ask for what
    the policy names. Refused with UsageError: ids that no check has.
    """
    of_claims = (checks_required_of(policy, axis) for axis in policy.claims)
    required = checks_required_of(policy, None).union(*of_claims)
    unknown = sorted(required - set(all_checks()))
    if unknown:
        raise UsageError(f"policy {policy.name}", "ids of checks", found=", ".join(unknown))
    return required


def checks_required_of(policy: Policy, axis: str | None) -> frozenset[str]:
    """Ids of the checks that must pass for the claim of an axis; none for any other claim."""
    tier = policy.minimum_tier if axis is None else policy.tier_of(axis)
    beside = frozenset(policy.checks_of(axis)) if axis is not None else frozenset[str]()
    if policy.required_checks == "all":
        return beside | {n for n, c in all_checks().items() if at_most(c.tier, tier)}
    return beside | frozenset(policy.required_checks)


def at_most(tier: str, other: str) -> bool:
    """Whether a tier is the other or one below it."""
    return TIERS.index(tier) <= TIERS.index(other)


def supports(check: Check, outcome: Outcome) -> bool:
    """Whether an outcome lets a claim reach the check's tier."""
    return outcome is Outcome.PASS or (
        outcome is Outcome.NOT_APPLICABLE and check.absence_is_harmless
    )


def claim_tier(results: Sequence[CheckResult], axis: str) -> tuple[str, tuple[str, ...]]:
    """The tier of an axis's claim, and the checks that keep it from the next one.

    The minimum over all checks: a check that does not pass for this axis, or for the case as
    a whole, keeps the claim below its tier. What a policy leaves unasked lowers nothing.
    """
    lowered = {r.check: r.tier for r in results if _lowers(r, axis)}
    reached = TIERS[0]
    for tier in TIERS[1:]:
        if tier in lowered.values():
            return reached, tuple(name for name, t in lowered.items() if t == tier)
        reached = tier
    return reached, ()


def _lowers(result: CheckResult, axis: str) -> bool:
    check = all_checks()[result.check]
    unasked = check.asks_policy and result.outcome not in BAD
    return not unasked and not supports(check, result.outcome) and _is_about(result, axis)


def _is_about(result: CheckResult, axis: str) -> bool:
    about = [finding.axis for finding in result.findings]
    return None in about or axis in about


def open_defeaters(results: Sequence[CheckResult], axis: str) -> tuple[OpenDefeater, ...]:
    """The checks that keep a claim from any tier, those of the lowest tier first.

    A check that was not reached raises no doubt of its own: what stopped it does.
    """
    doubts = [
        OpenDefeater(r.check, r.outcome, r.tier, _told(r, axis).sentence)
        for r in results
        if r.tier != TIERS[0] and r.asked and _lowers(r, axis)
    ]
    return tuple(sorted(doubts, key=lambda doubt: TIERS.index(doubt.tier)))


def _told(result: CheckResult, axis: str) -> Finding:
    """The first finding about a claim that is not a pass, or that is."""
    about = [found for found in result.findings if found.axis in {None, axis}]
    return min(about, key=lambda found: found.outcome is Outcome.PASS)


def claim_verdicts(
    case: OpenedCase, results: Sequence[CheckResult]
) -> tuple[ClaimVerdict, ...]:
    """The claims of the plan, as recomputed; none if the plan cannot be read."""
    names = _known(lambda: tuple(axis.id for axis in case.plan.axes), tuple[str, ...]())
    return tuple(_claim_verdict(case, results, name) for name in names)


def _claim_verdict(case: OpenedCase, results: Sequence[CheckResult], name: str) -> ClaimVerdict:
    tier, lowered_by = claim_tier(results, name)
    holds: bool | None = None
    again: tuple[str, ...] = ()
    said = ""
    if any(r.stage <= LAST_STOPPING_STAGE and r.outcome is Outcome.FAIL for r in results):
        wording = "Not derived: the case is not intact."
    elif any(r.outcome is Outcome.ERROR for r in results):
        wording = "Not derived: the verifier failed."
    else:
        try:
            claim = case.derived.claims[name]
            holds, wording = claim.holds, claim.wording
            said = weakened(tier, wording, observed(case.plan, case.axis(name).findings))
            again = _known(lambda: tuple(r.beside(name) for r in case.reexecutions), again)
        except SafetyCaseError as refusal:
            wording = f"Not derived: {refusal}"
    doubts = open_defeaters(results, name)
    return ClaimVerdict(name, tier, holds, wording, lowered_by, again, said or wording, doubts)


def exit_code(
    policy: Policy, results: Sequence[CheckResult], claims: Sequence[ClaimVerdict]
) -> tuple[int, str]:
    """The exit code and its reason: what failed outweighs what broke, then what is unknown."""
    known = all_checks()
    counted = [r for r in results if r.required or not known[r.check].asks_policy]
    failed = [r.check for r in counted if r.outcome is Outcome.FAIL]
    if failed:
        return NOT_VERIFIED, f"Not verified: {_listed(failed)} failed."
    broken = [r.check for r in counted if r.outcome is Outcome.ERROR]
    if broken:
        return VERIFIER_FAILED, f"The verifier failed in {_listed(broken)}."
    return _undecided_or_verified(policy, results, claims)


def _undecided_or_verified(
    policy: Policy, results: Sequence[CheckResult], claims: Sequence[ClaimVerdict]
) -> tuple[int, str]:
    required = [r for r in results if r.required]
    missing = _missing(policy, required, claims)
    intact = bool(claims) and all(claim.tier != TIERS[0] for claim in claims)
    if intact and not policy.signers:
        return UNDECIDED, "Intact, signer unknown: the policy names no signers."
    if missing or not required:
        return UNDECIDED, f"Undecided: {_listed(missing)} could not be answered."
    absent = sorted(set(policy.claims) - {claim.axis for claim in claims})
    if absent or not claims:
        return UNDECIDED, f"Undecided: the case makes no claim about {_listed(absent)}."
    low = [c for c in claims if not at_most(policy.tier_of(c.axis), c.tier)]
    if low:
        told = [f"{c.axis} is {c.tier}, not {policy.tier_of(c.axis)}" for c in low]
        return UNDECIDED, f"Undecided: below the tier that is asked for: {_listed(told)}."
    return VERIFIED, f"Verified: {len(required)} required checks passed, none failed."


def _missing(
    policy: Policy, required: Sequence[CheckResult], claims: Sequence[ClaimVerdict]
) -> list[str]:
    """Required checks without a pass, for any claim of which they are required."""
    known = all_checks()
    asked = {c.axis: checks_required_of(policy, c.axis) for c in claims}
    return [
        r.check
        for r in required
        if not supports(known[r.check], r.outcome)
        and (not asked or any(r.check in ids and _is_about(r, a) for a, ids in asked.items()))
    ]


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "nothing"


def judge(case: OpenedCase, results: tuple[CheckResult, ...]) -> Verdict:
    """The verdict on a case, from the outcomes of all checks."""
    claims = claim_verdicts(case, results)
    code, reason = exit_code(case.policy, results, claims)
    derived = bool(claims) and all(claim.holds is not None for claim in claims)
    return Verdict(
        case_id=_known(lambda: case.case_id, None),
        name=_known(lambda: case.plan.id, None),
        policy_name=case.policy.name,
        policy_digest=case.policy.digest(),
        at=case.at,
        archive_sha256=_known(lambda: case.archive_sha256, None),
        signers=_known(lambda: case.signatures.verified, ()) if case.policy.signers else (),
        results=results,
        claims=claims,
        decision_tier=_known(lambda: case.derived.decision.tier, None) if derived else None,
        what_cannot_be_known=WHAT_CANNOT_BE_KNOWN,
        taken_on_trust=_known(lambda: tuple(declared(case.plan)), ()),
        exit_code=code,
        reason=reason,
        order=_known(lambda: case.order.sentence, None),
        override=_known(lambda: _override(case), None),
        model_manifest=_known(lambda: case.statement.model_manifest_digest, None),
    )


def _override(case: OpenedCase) -> str | None:
    set_by = case.record.override
    if set_by is None:
        return None
    return f"{set_by.tier}, {set_by.direction}, set by {set_by.by}: {set_by.reason}"


def _known(read: Callable[[], Value], otherwise: Value) -> Value:
    """What a part of the case says, or this if it cannot be read."""
    try:
        return read()
    except SafetyCaseError:
        return otherwise
