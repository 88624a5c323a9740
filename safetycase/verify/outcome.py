"""What a verification says: outcomes, findings, tiers and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn


class Outcome(StrEnum):
    """The outcome of a check; only PASS supports anything."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    ERROR = "ERROR"


TIER_MEANINGS: Mapping[str, str] = {
    "asserted": "somebody says so; nothing of it was confirmed.",
    "intact": "these are the signed bytes, and they are well formed; no figure was confirmed.",
    "recomputed": "every figure and choice was derived again from the plan and the rows.",
    "sound": "recomputed, and a third party's time and seed show that the plan came first.",
    "reproduced": "sound, and somebody else measured enough of the rows again.",
}
"""How far a claim holds, least first, and what that says."""

TIERS = tuple(TIER_MEANINGS)

WHAT_CANNOT_BE_KNOWN = (
    "That the rows came from the model named by the subject's digests: that needs the weights.",
    "That activations, residuals and log-probabilities are real, and not made to fit.",
    "That no other runs, plans or items exist that were left out.",
    "That the tested configuration is what users reach: system prompt, filters, quantisation.",
    "That the holder of a key is whom it is named after: only the policy's pinning says so.",
)
"""Printed on every verdict."""


def tier_meaning(tier: str) -> str:
    """What a tier says, in one line; a tier of a later version has no words here."""
    return TIER_MEANINGS.get(tier, "this tier is not known to this version.")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check found: where, what was expected, what was there."""

    check: str
    outcome: Outcome
    where: str
    expected: str
    found: str
    sentence: str
    axis: str | None = None
    """The axis that the finding is about; none if it bears on all of them."""


EARLIER_STAGES = "earlier stages passed"
"""What a check that was never reached expected."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check, with its findings; a check that passes has one."""

    check: str
    title: str
    stage: int
    tier: str
    outcome: Outcome
    required: bool
    findings: tuple[Finding, ...]

    @property
    def asked(self) -> bool:
        """Whether the check was reached: an earlier stage that fails stops the later ones."""
        return all(found.expected != EARLIER_STAGES for found in self.findings)


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """How far one claim holds."""

    axis: str
    tier: str
    holds: bool | None
    """By recomputation, never by the record's word; none if it could not be derived."""
    wording: str
    """The computed sentence, or why there is none."""
    lowered_by: tuple[str, ...]
    """Checks that keep the claim from the next tier."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything one verification found; never a boolean."""

    case_id: str | None
    """SHA-256 of the signed statement's payload; none if there is no readable statement."""
    name: str | None
    """The plan's short name."""
    policy_name: str
    policy_digest: str
    at: str
    archive_sha256: str | None
    """The SHA-256 of exactly the bytes that were read; none if nothing was readable."""
    signers: tuple[str, ...]
    """Names of the policy's signers whose signatures count."""
    results: tuple[CheckResult, ...]
    claims: tuple[ClaimVerdict, ...]
    decision_tier: str | None
    """The release tier, recomputed; none if it could not be derived."""
    what_cannot_be_known: tuple[str, ...]
    exit_code: int
    reason: str
    """Why the exit code is what it is, in one sentence."""
    taken_on_trust: tuple[str, ...] = ()
    """What the plan declares and nothing verifies, one line a part."""

    @property
    def verified(self) -> bool:
        """Whether every check that the policy requires passed, and nothing failed."""
        return self.exit_code == 0

    @property
    def findings(self) -> Mapping[str, tuple[Finding, ...]]:
        """Findings by check id."""
        return {result.check: result.findings for result in self.results}

    def outcomes(self) -> dict[str, Outcome]:
        """The outcome of every check, by id."""
        return {result.check: result.outcome for result in self.results}

    def failing(self) -> tuple[str, ...]:
        """Ids of the checks that failed or crashed, in order."""
        bad = (Outcome.FAIL, Outcome.ERROR)
        return tuple(result.check for result in self.results if result.outcome in bad)

    def __bool__(self) -> NoReturn:
        """Refuse to be taken for a boolean: three of the five outcomes are neither."""
        raise TypeError("a Verdict is not a boolean: say verdict.verified")
