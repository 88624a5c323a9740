"""What a verification says: outcomes, findings, tiers and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from pydantic import ConfigDict


class _Published:
    """What the published schema of a verdict takes from these: sentences, closed objects."""

    __slots__ = ()
    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True, extra="forbid")


class Outcome(StrEnum):
    """The outcome of a check; only PASS supports anything."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    ERROR = "ERROR"


BAD = (Outcome.FAIL, Outcome.ERROR)
"""Outcomes that speak against a case, or for which there is none."""


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


@dataclass(frozen=True, slots=True)
class Finding(_Published):
    """One thing a check found: where, what was expected, what was there."""

    check: str
    """Id of the check."""
    outcome: Outcome
    """What this finding makes of the check."""
    where: str
    """A JSON pointer into a member, a row of a table, or another place in words."""
    expected: str
    """What should stand there."""
    found: str
    """What stands there."""
    sentence: str
    """The finding in words."""
    axis: str | None = None
    """The axis that the finding is about; none if it bears on all of them."""


EARLIER_STAGES = "earlier stages passed"
"""What a check that was never reached expected."""


@dataclass(frozen=True, slots=True)
class CheckResult(_Published):
    """The outcome of one check, with its findings; a check that passes has one."""

    check: str
    """Id of the check: `safetycase explain ID` says what it proves and cannot."""
    title: str
    """What it asks for, in one sentence."""
    stage: int
    """Stage of the verification, 0 to 10."""
    tier: str
    """The tier that no claim reaches unless this check passes."""
    outcome: Outcome
    """What it came to."""
    required: bool
    """Whether the policy requires it to pass, for all claims or for some."""
    findings: tuple[Finding, ...]
    """What it found, the first ones of many, then a count of the rest."""

    @property
    def asked(self) -> bool:
        """Whether the check was reached: an earlier stage that fails stops the later ones."""
        return all(found.expected != EARLIER_STAGES for found in self.findings)


@dataclass(frozen=True, slots=True)
class OpenDefeater(_Published):
    """A check that a claim rests on and that did not pass: a reason to doubt, unanswered."""

    check: str
    """Id of the check."""
    outcome: Outcome
    """FAIL speaks against the claim; UNKNOWN leaves a question open."""
    tier: str
    """The tier that the claim does not reach for it."""
    sentence: str
    """What the check found about this claim, in words."""


@dataclass(frozen=True, slots=True)
class ClaimVerdict(_Published):
    """How far one claim holds."""

    axis: str
    """The axis that the claim is about."""
    tier: str
    """How far it is known: asserted, intact, recomputed, sound or reproduced."""
    holds: bool | None
    """By recomputation, never by the record's word; none if it could not be derived."""
    wording: str
    """The computed sentence, or why there is none."""
    lowered_by: tuple[str, ...]
    """Checks that keep the claim from the next tier."""
    re_executed: tuple[str, ...] = ()
    """Who measured rows again, and what that bounds: a sentence each, at any tier."""
    sentence: str = ""
    """What may be said at this tier: the wording, weakened by what is open."""
    open_defeaters: tuple[OpenDefeater, ...] = ()
    """Every check that the claim rests on and that did not pass, in order of the tiers."""


@dataclass(frozen=True, slots=True)
class Verdict(_Published):
    """Everything one verification found; never a boolean."""

    case_id: str | None
    """SHA-256 of the signed statement's payload; none if there is no readable statement."""
    name: str | None
    """The plan's short name."""
    policy_name: str
    """Name of the policy that it was judged by."""
    policy_digest: str
    """SHA-256 of the policy's canonical JSON."""
    at: str
    """The moment as of which it was judged."""
    archive_sha256: str | None
    """The SHA-256 of exactly the bytes that were read; none if nothing was readable."""
    signers: tuple[str, ...]
    """Names of the policy's signers whose signatures count."""
    results: tuple[CheckResult, ...]
    """Every check, in the order of the stages."""
    claims: tuple[ClaimVerdict, ...]
    """Every claim of the plan; none if the plan cannot be read."""
    decision_tier: str | None
    """The release tier, recomputed; none if it could not be derived."""
    what_cannot_be_known: tuple[str, ...]
    """What no reading of the file can show."""
    exit_code: int
    """0 verified, 1 not verified, 3 undecided, 4 the verifier failed."""
    reason: str
    """Why the exit code is what it is, in one sentence."""
    taken_on_trust: tuple[str, ...] = ()
    """What the plan declares and nothing verifies, one line a part."""
    override: str | None = None
    """Who sets which tier in the place of the recomputed one, and why; none if nobody does."""
    order: str | None = None
    """Who vouches that the plan came before what it draws; none if nobody whom it trusts."""
    model_manifest: str | None = None
    """Digest of the model's list of files, as signed; none without a readable statement."""

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

    def in_the_way(self) -> tuple[CheckResult, ...]:
        """What failed or broke; if nothing did, what is required and without a pass."""
        bad = tuple(r for r in self.results if r.outcome in BAD)
        return bad or tuple(
            r for r in self.results if r.required and r.outcome is Outcome.UNKNOWN
        )

    def failing(self) -> tuple[str, ...]:
        """Ids of the checks that failed or crashed, in order."""
        return tuple(result.check for result in self.results if result.outcome in BAD)

    def __bool__(self) -> NoReturn:
        """Refuse to be taken for a boolean: three of the five outcomes are neither."""
        raise TypeError("a Verdict is not a boolean: say verdict.verified")
