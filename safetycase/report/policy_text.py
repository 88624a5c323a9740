"""A policy in words: whom it trusts, what it asks of a case, and of which claims."""

from __future__ import annotations

from collections.abc import Iterator

from safetycase.record.policy import PolicySigner, RequiredOfClaim
from safetycase.report.words import tier_meaning
from safetycase.verify.judgement import checks_required_of
from safetycase.verify.policy import Policy


def policy_lines(policy: Policy) -> Iterator[str]:
    """The policy, one demand a line."""
    yield f"policy  {policy.name}"
    yield f"digest  {policy.digest()}"
    yield ""
    yield from _signers(policy)
    meaning = tier_meaning(policy.minimum_tier)
    yield f"Every claim must reach the tier {policy.minimum_tier}: {meaning}"
    count = len(checks_required_of(policy, None))
    how = "all up to that tier" if policy.required_checks == "all" else "those listed"
    yield f"{count} checks must pass: {how}, and no other may fail."
    yield _must_hold(policy)
    for axis, asked in policy.claims.items():
        yield f"Of the claim about {axis}: {'; '.join(_of_claim(asked)) or 'nothing more'}."


def _signers(policy: Policy) -> Iterator[str]:
    if not policy.signers:
        yield "It trusts nobody: the best answer is `intact, signer unknown` (exit code 3)."
    for signer in policy.signers:
        yield f"It trusts {signer.name} as {', '.join(signer.roles)}{_window(signer)}."
    for asked in policy.requirements():
        able = len(policy.trust().in_role(asked.role))
        yield f"At least {asked.threshold} of {able} in the role {asked.role} must have signed."


def _window(signer: PolicySigner) -> str:
    bounds = (("from", signer.not_before), ("before", signer.not_after))
    told = [f"{word} {bound}" for word, bound in bounds if bound]
    return f", {' and '.join(told)}" if told else ", at any time"


def _must_hold(policy: Policy) -> str:
    if policy.must_hold == "all":
        return "Every claim must hold."
    if policy.must_hold == "none":
        return "No claim must hold: an honest case whose claims fail is verified."
    return f"These claims must hold: {', '.join(policy.must_hold)}."


def _of_claim(asked: RequiredOfClaim) -> Iterator[str]:
    if asked.minimum_tier:
        yield f"the tier {asked.minimum_tier}"
    if asked.must_hold is not None:
        yield "it must hold" if asked.must_hold else "it need not hold"
    if asked.required_checks:
        yield f"these checks as well: {', '.join(asked.required_checks)}"
