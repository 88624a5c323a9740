"""The verification, in the order in which it is made: the numbered stages of `check.STAGES`.

A failure in stages 0 to 3 stops the rest, whose outcome is then UNKNOWN with the cause.
Stages 4 to 10 all run, so that one reading shows every fault. A pure function of bytes, policy
and time: no network, no clock, no state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from safetycase.bundle.limits import DEFAULT_LIMITS, Limits
from safetycase.envelope.trust import read_instant
from safetycase.errors import NotVerified, SafetyCaseError, UsageError
from safetycase.tables.codec import uncollected
from safetycase.verify.case import OpenedCase, lacks
from safetycase.verify.check import STAGES, Check, Examined, Fault, NotApplicable, drained
from safetycase.verify.checks import all_checks
from safetycase.verify.judgement import LAST_STOPPING_STAGE, judge, required_checks
from safetycase.verify.outcome import (
    BAD,
    EARLIER_STAGES,
    CheckResult,
    Finding,
    Outcome,
    Verdict,
)
from safetycase.verify.policy import Policy

FINDINGS_SHOWN = 20
"""Findings of one check that are kept; the rest are counted."""


def verify(
    source: Path | bytes,
    policy: Policy,
    *,
    at: str,
    renderings: bool = True,
    limits: Limits = DEFAULT_LIMITS,
    escrow: bytes | None = None,
) -> Verdict:
    """What a case is worth under a policy, at a time (`2026-11-22T16:00:00Z`).

    Never raises for a bad case. UsageError: a policy that names unknown checks, a time that is
    not one. Without `renderings` stage 10 is left out: the verdict that a page may quote.
    `escrow` opens what a redacted case withholds.
    """
    return examine(OpenedCase(source, policy, at, limits, escrow), renderings=renderings)


def examine(case: OpenedCase, *, renderings: bool = True) -> Verdict:
    """The verdict on an opened case."""
    with uncollected():
        return judge(case, _examined(case, renderings=renderings))


def refusal_of(verdict: Verdict) -> NotVerified:
    """What `require` raises: the reason, and the first finding of every check in the way."""
    way = verdict.in_the_way()
    told = [f"{r.check}: {r.findings[0].sentence}" for r in way if r.findings]
    name = verdict.name or "case"
    error = NotVerified(name, "a case that verifies", found=" ".join([verdict.reason, *told]))
    error.missing = tuple(result.check for result in way)
    return error


def _examined(case: OpenedCase, *, renderings: bool) -> tuple[CheckResult, ...]:
    try:
        read_instant(case.at, where="at")
    except SafetyCaseError as error:
        raise UsageError(error.where, error.expected, found=error.found) from None
    required = required_checks(case.policy)
    results: list[CheckResult] = []
    stopped_by: str | None = None
    for stage in range(len(STAGES)):
        checks = [c for c in all_checks().values() if c.stage == stage]
        if stage == len(STAGES) - 1 and not renderings:
            checks = []
        here = [_result(check, case, required, stopped_by) for check in checks]
        results += here
        if stage <= LAST_STOPPING_STAGE and stopped_by is None:
            stopped_by = _cause(here, stage)
    return tuple(results)


def _cause(results: list[CheckResult], stage: int) -> str | None:
    bad = [r.check for r in results if r.outcome in BAD]
    return f"stage {stage} ({STAGES[stage]}): {', '.join(bad)} failed" if bad else None


def _result(
    check: Check, case: OpenedCase, required: frozenset[str], stopped_by: str | None
) -> CheckResult:
    faults = _faults(check, case, stopped_by)
    return CheckResult(
        check=check.id,
        title=check.title,
        stage=check.stage,
        tier=check.tier,
        outcome=_outcome(faults),
        required=check.id in required,
        findings=tuple(_findings(check, faults)),
    )


def _faults(check: Check, case: OpenedCase, stopped_by: str | None) -> list[Fault]:
    """What a check has to say, one entry at least; also where it is not asked, or crashes."""
    if stopped_by is not None:
        text = f"Not asked: {stopped_by}."
        return [Fault.unknown("case", EARLIER_STAGES, stopped_by, text)]
    refusal = lacks(case, check.needs)
    if refusal is not None:
        text = f"The case lacks what this check needs: {refusal}"
        found = refusal.found or "none"
        return [Fault.unknown(refusal.where, refusal.expected, found, text)]
    try:
        faults, examined = drained(check.run(case))
    except Exception as error:  # noqa: BLE001 — the one place: a crash of ours is a finding
        found = f"{type(error).__name__}: {error}"
        text = f"The verifier failed in {check.id}: {found}"
        return [Fault(check.id, "a check that ends", found, text, Outcome.ERROR)]
    return faults or [_without_faults(check, examined)]


def _without_faults(check: Check, examined: Examined) -> Fault:
    if isinstance(examined, NotApplicable):
        text = f"The question does not arise: {examined.reason}."
        outcome = Outcome.NOT_APPLICABLE
        return Fault("case", "the question", examined.reason, text, outcome)
    if not examined:
        text = "There was nothing to examine."
        return Fault.unknown("case", "something to examine", "nothing", text)
    return Fault("case", check.title, f"{examined} examined", check.title, Outcome.PASS)


def _outcome(faults: list[Fault]) -> Outcome:
    failed = any(fault.outcome is Outcome.FAIL for fault in faults)
    return Outcome.FAIL if failed else faults[0].outcome


def _findings(check: Check, faults: list[Fault]) -> Iterator[Finding]:
    for fault in faults[:FINDINGS_SHOWN]:
        yield _finding(check, fault)
    rest = faults[FINDINGS_SHOWN:]
    for axis in sorted({fault.axis for fault in rest}, key=str):
        more = [fault for fault in rest if fault.axis == axis]
        text = f"{len(more)} more findings, the first at {more[0].where}."
        yield _finding(check, replace(more[0], sentence=text, outcome=_outcome(more)))


def _finding(check: Check, fault: Fault) -> Finding:
    plain = f"{fault.where}: expected {fault.expected}, found {fault.found}."
    return Finding(
        check=check.id,
        outcome=fault.outcome,
        where=fault.where,
        expected=fault.expected,
        found=fault.found,
        sentence=fault.sentence or plain,
        axis=fault.axis,
    )
