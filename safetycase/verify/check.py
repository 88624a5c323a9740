"""The shape of a check: what it proves, what it cannot prove, what it needs, what it owns."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace

from safetycase.errors import MalformedInput, MethodRefused, UsageError
from safetycase.methods.compare import Difference, differences, shown
from safetycase.record.base import Record
from safetycase.record.planned_axis import Axis
from safetycase.verify.case import NEEDS, OpenedCase
from safetycase.verify.outcome import TIERS, Outcome

_ID = re.compile(r"[A-Z]{3}-\d{3}")
_LAST_STAGE = 10
STAGES = (
    "open within limits",
    "encoding",
    "integrity",
    "signatures and trust",
    "schema and references",
    "provenance and ordering",
    "design",
    "evidence and statistics",
    "features, labels and interventions",
    "claims, decision and argument",
    "renderings",
)
"""Stages of a verification; 0 to 3 stop the rest, 4 to 10 all run."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something a check found that is not as it should be."""

    where: str
    expected: str
    found: str
    sentence: str = ""
    outcome: Outcome = Outcome.FAIL
    axis: str | None = None

    @classmethod
    def of(cls, difference: Difference, sentence: str = "") -> Fault:
        """The fault of a difference between stated and derived."""
        return cls(difference.where, difference.expected, difference.found, sentence)

    @classmethod
    def unknown(cls, where: str, expected: str, found: str, sentence: str) -> Fault:
        """What the case lacks for an answer."""
        return cls(where, expected, found, sentence, Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The question of a check does not arise, and why."""

    reason: str


Examined = int | NotApplicable
Run = Generator[Fault, None, Examined]
"""Faults one by one; at the end, how many things were examined: none is never a pass."""

CaseRun = Callable[[OpenedCase], Run]
AxisRun = Callable[[OpenedCase, int, Axis], Run]


@dataclass(frozen=True, slots=True)
class Check:
    """A named proposition about a case, and the function that tests it."""

    id: str
    title: str
    stage: int
    tier: str
    """The tier that a claim cannot reach unless this check passes."""
    proves: str
    cannot_prove: str
    references: tuple[str, ...]
    needs: tuple[str, ...]
    owns: tuple[str, ...]
    """What in the case this check alone answers for; a change there fails this check."""
    since: str
    run: CaseRun
    absence_is_harmless: bool
    """Whether NOT_APPLICABLE counts as a pass."""
    asks_policy: bool
    """Whether the question is the policy's: then UNKNOWN does not lower a claim's tier."""
    answerable: bool
    """Whether a case of this version can hold what the check needs to pass."""

    def __post_init__(self) -> None:
        """Refuse a check that does not say what it proves, what not, and where to read on."""
        texts = (self.title, self.proves, self.cannot_prove, *self.references)
        if _ID.fullmatch(self.id) is None:
            raise UsageError("check id", "three letters, a dash, three digits", found=self.id)
        if not self.references or not all(text.strip() for text in texts):
            raise UsageError(self.id, "a title, what it proves and cannot, and references")
        if self.tier not in TIERS or not 0 <= self.stage <= _LAST_STAGE:
            raise UsageError(self.id, "a known tier and stage", found=self.tier)
        unknown = set(self.needs) - set(NEEDS)
        if unknown:
            raise UsageError(self.id, "known needs", found=", ".join(sorted(unknown)))


@dataclass(frozen=True)
class Family:
    """The checks of one file; ids are never reused."""

    prefix: str
    name: str
    rule: str
    """What the family asks for, in one sentence."""
    stage: int
    """Stage of its checks, unless one says otherwise."""
    tier: str
    """Tier that rests on its checks, unless one says otherwise."""
    checks: dict[str, Check] = field(default_factory=dict)

    def check(
        self,
        number: int,
        *,
        proves: str,
        cannot_prove: str,
        references: tuple[str, ...],
        stage: int | None = None,
        tier: str | None = None,
        needs: tuple[str, ...] = (),
        owns: tuple[str, ...] = (),
        since: str = "0.1",
        absence_is_harmless: bool = False,
        asks_policy: bool = False,
        answerable: bool = True,
    ) -> Callable[[CaseRun], CaseRun]:
        """Register a function as a check; its docstring is the title."""

        def register(function: CaseRun) -> CaseRun:
            self._add(
                Check(
                    id=f"{self.prefix}-{number:03d}",
                    title=(function.__doc__ or "").strip(),
                    stage=self.stage if stage is None else stage,
                    tier=tier or self.tier,
                    proves=proves,
                    cannot_prove=cannot_prove,
                    references=references,
                    needs=needs,
                    owns=owns,
                    since=since,
                    run=function,
                    absence_is_harmless=absence_is_harmless,
                    asks_policy=asks_policy,
                    answerable=answerable,
                )
            )
            return function

        return register

    def _add(self, check: Check) -> None:
        if check.id in self.checks:
            raise UsageError(check.id, "an id that is not taken")
        self.checks[check.id] = check


def each_axis(function: AxisRun) -> CaseRun:
    """A check of a whole case from a check of one axis: every axis is examined on its own.

    An axis whose figures cannot be derived is UNKNOWN with the reason, and the next is read.
    """

    def run(case: OpenedCase) -> Run:
        examined = 0
        reasons: list[str] = []
        for number, axis in enumerate(case.plan.axes):
            outcome = yield from _guarded(function(case, number, axis), axis.id)
            if isinstance(outcome, NotApplicable):
                reasons.append(f"{axis.id}: {outcome.reason}")
            else:
                examined += outcome
        if not examined and reasons:
            return NotApplicable("; ".join(reasons))
        return examined

    run.__doc__ = function.__doc__
    return run


def each_edited_axis(function: AxisRun) -> CaseRun:
    """The same of an axis that has arms: the question is void where no feature is found.

    That is not the record's word: the search is made again on the published activations.
    """

    def of_axis(case: OpenedCase, number: int, axis: Axis) -> Run:
        if axis.id in case.derived.featureless:
            return NotApplicable("no feature is found, so nothing is edited")
        return (yield from function(case, number, axis))

    of_axis.__doc__ = function.__doc__
    return each_axis(of_axis)


def compared(
    case: OpenedCase,
    pointer: str,
    derived: object,
    sentence: str = "",
    *,
    skip: frozenset[str] = frozenset(),
) -> Run:
    """Faults where case.json states at a pointer something else than what follows.

    Models count as the JSON they spell; what follows as none must not be stated, and what
    follows as something must be.
    Examined: the entries of a list, one where it has to be empty; else one value.
    """
    wanted = _as_json(derived)
    place = f"case.json#{pointer}"
    if wanted is None:
        if case.states(pointer):
            yield Fault(place, "nothing", shown(case.stated(pointer)), sentence)
        return 1
    if not case.states(pointer) and case.states(pointer.rpartition("/")[0]):
        yield Fault(place, shown(wanted), "nothing", sentence)
        return 1
    for difference in differences(place, case.stated(pointer), wanted, skip=skip):
        yield Fault.of(difference, sentence)
    return max(len(wanted), 1) if isinstance(wanted, list) else 1


def _as_json(value: object) -> object:
    if isinstance(value, Record):
        return value.spelled()
    return [_as_json(one) for one in value] if isinstance(value, (list, tuple)) else value


def guarded(run: Run) -> Run:
    """The faults of a run; refusals become faults, so that no artifact can end it otherwise.

    A method that has no value gives UNKNOWN with its reason; malformed input gives FAIL.
    """
    return (yield from _guarded(run, None))


def _guarded(run: Run, axis: str | None) -> Run:
    try:
        return (yield from _of_axis(run, axis))
    except MethodRefused as refusal:
        yield Fault(
            where=refusal.where,
            expected=refusal.expected,
            found=refusal.found or "no value",
            sentence=f"This cannot be derived: {refusal}",
            outcome=Outcome.UNKNOWN,
            axis=axis,
        )
    except MalformedInput as refusal:
        yield Fault(
            where=refusal.where,
            expected=refusal.expected,
            found=refusal.found or "something else",
            sentence=str(refusal) if refusal.remedy else "",
            axis=axis,
        )
    return 0


def _of_axis(run: Run, axis: str | None) -> Run:
    iterator: Iterator[Fault] = run
    while True:
        try:
            fault = next(iterator)
        except StopIteration as stop:
            examined: Examined = stop.value
            return examined
        yield fault if fault.axis is not None else replace(fault, axis=axis)
