"""What is wrong with a policy before it judges anything: demands that no case can meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from safetycase.envelope.trust import read_instant
from safetycase.methods.plan_order import WITNESS
from safetycase.methods.replay_review import REVIEWER
from safetycase.verify.checks import all_checks
from safetycase.verify.judgement import at_most, checks_required_of
from safetycase.verify.policy import Policy

MUST_HOLD, SIGNED = "CLM-007", "SIG-001"
OLDER, MEASURED_AGAIN = "ORD-001", "ORD-003"
_NOBODY = (
    f"counts the word of somebody else; name a signer in the role {WITNESS}, or `beacons` with "
    "`authorities` or `transparency`."
)


def policy_faults(policy: Policy, *, at: str) -> list[str]:
    """Faults of a policy, each with its place and what to do; an empty list is a sound policy.

    Beside what `read_policy` refuses: ids that no check has, tiers for which nobody is named
    whose word they rest on, lists of checks that contradict the tier, signers outside their
    window at that time, thresholds that those inside cannot reach. Says nothing of whether
    they are wise.
    """
    return [*_checks(policy), *_tiers(policy), *_signers(policy, at)]


def _checks(policy: Policy) -> Iterator[str]:
    known = all_checks()
    lists = {"/required_checks": policy.required_checks}
    lists |= {f"/claims/{a}/required_checks": policy.checks_of(a) for a in policy.claims}
    for where, listed in lists.items():
        for name in () if listed == "all" else listed:
            if name not in known:
                yield f"{where}: no check is called {name}; `safetycase checks` lists them."
            elif name == OLDER and not _knows_times(policy):
                yield f"{where}: {name} {_NOBODY}"
    if policy.required_checks != "all":
        yield from _contradictions(policy)


def _contradictions(policy: Policy) -> Iterator[str]:
    """What a list of checks leaves out although the rest of the policy asks for it."""
    required = checks_required_of(policy, None)
    needed = {
        name
        for name, check in all_checks().items()
        if at_most(check.tier, policy.minimum_tier) and not check.asks_policy
    }
    left_out = sorted(needed - required)
    if left_out:
        yield (
            f"/required_checks: the tier {policy.minimum_tier} rests on {len(needed)} checks, "
            f"of which the list leaves out {len(left_out)}, {left_out[0]} among them; say "
            "`all`, or ask for a lower minimum_tier."
        )
    if policy.that_must_hold(["every axis"]) and MUST_HOLD not in required:
        yield f"/required_checks: claims must hold, but {MUST_HOLD} is not listed; add it."
    if policy.signers and SIGNED not in required:
        yield f"/required_checks: signers are named, but {SIGNED} is not listed; add it."


def _tiers(policy: Policy) -> Iterator[str]:
    asked = {"/minimum_tier": policy.minimum_tier}
    asked |= {f"/claims/{axis}/minimum_tier": policy.tier_of(axis) for axis in policy.claims}
    for where, tier in asked.items():
        if at_most(all_checks()[OLDER].tier, tier) and not _knows_times(policy):
            yield f"{where}: {tier} rests on {OLDER}, which {_NOBODY}"
        if at_most(all_checks()[MEASURED_AGAIN].tier, tier) and not _has(policy, REVIEWER):
            yield (
                f"{where}: {tier} rests on {MEASURED_AGAIN}, which counts the word of a signer "
                f"in the role {REVIEWER}; name one."
            )


def _knows_times(policy: Policy) -> bool:
    """Whether somebody is named whose word can show that a plan came first."""
    clocks = policy.authorities or policy.transparency
    return _has(policy, WITNESS) or bool(policy.beacons and clocks)


def _has(policy: Policy, role: str) -> bool:
    return bool(policy.trust().in_role(role))


def _signers(policy: Policy, at: str) -> Iterator[str]:
    trust, moment = policy.trust(), read_instant(at, where="--at")
    valid = {signer.name for signer in trust.signers if signer.is_valid_at(moment)}
    for number, entry in enumerate(policy.signers):
        if entry.not_after is not None and entry.not_after <= at:
            yield (
                f"/signers/{number}: {entry.name} counts only before {entry.not_after}, and it "
                f"is {at}; renew the keys, or judge as of an earlier time."
            )
    for number, asked in enumerate(policy.requirements()):
        able = len(valid & trust.in_role(asked.role))
        if able < asked.threshold:
            yield (
                f"/signatures/{number}: {asked.threshold} signers in the role {asked.role} are "
                f"asked for, and {able} are inside their window at {at}."
            )
    for role, count in Counter(asked.role for asked in policy.requirements()).items():
        if count > 1:
            yield f"/signatures: the role {role} stands {count} times; say it once."
