"""The shape of a check: what it proves, what it cannot prove, what it needs, what it owns."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Required, TypedDict, TypeVar, Unpack

from safetycase.errors import MalformedInput, MethodRefused, UsageError, Withheld
from safetycase.methods.compare import entry_values, stated_gaps
from safetycase.methods.gap import Gap
from safetycase.record.planned_axis import Axis
from safetycase.verify.case import NEEDS, OpenedCase
from safetycase.verify.outcome import TIERS, Outcome

_ID = re.compile(r"[A-Z]{3}-\d{3}")
_LAST_STAGE = 10
STAGES = (
    "open within limits",  # 0: CON
    "encoding",  # 1: ENC
    "integrity",  # 2: INT
    "signatures and trust",  # 3: SIG
    "schema and references",  # 4: SCH, RED, and what of INT, ENC and SIG needs record or rows
    "provenance and ordering",  # 5: PRO, ORD, REP, GOV
    "design",  # 6: DES
    "evidence and statistics",  # 7: EVI, GRD, STA, CTL, BES, FOR
    "features, labels and interventions",  # 8: FEA, IVN, TRC
    "claims, decision and argument",  # 9: CLM
    "renderings",  # 10: REN
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
    def unknown(
        cls, where: str, expected: str, found: str, sentence: str, axis: str | None = None
    ) -> Fault:
        """What the case lacks for an answer."""
        return cls(where, expected, found, sentence, Outcome.UNKNOWN, axis)


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The question of a check does not arise, and why."""

    reason: str


Examined = int | NotApplicable
Run = Generator[Fault, None, Examined]
"""Faults one by one; at the end, how many things were examined: none is never a pass."""
Counted = Generator[Fault, None, int]
"""The same of a part of a check, whose question always arises."""

CaseRun = Callable[[OpenedCase], Run]
AxisRun = Callable[[OpenedCase, int, Axis], Run]
Function = TypeVar("Function")


class Says(TypedDict, total=False):
    """What a check says of itself; stage, tier and needs are its family's unless it says."""

    proves: Required[str]
    cannot_prove: Required[str]
    references: Required[tuple[str, ...]]
    stage: int
    tier: str
    needs: tuple[str, ...]
    owns: tuple[str, ...]
    since: str
    absence_is_harmless: bool
    asks_policy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A named proposition about a case, and the function that tests it."""

    id: str
    title: str
    run: CaseRun
    proves: str
    cannot_prove: str
    references: tuple[str, ...]
    stage: int
    tier: str
    """The tier that a claim cannot reach unless this check passes."""
    needs: tuple[str, ...]
    owns: tuple[str, ...] = ()
    """What in the case this check alone answers for; a change there fails this check."""
    since: str = "0.1"
    absence_is_harmless: bool = False
    """Whether NOT_APPLICABLE counts as a pass."""
    asks_policy: bool = False
    """Whether the question is the policy's: then UNKNOWN does not lower a claim's tier."""

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
    needs: tuple[str, ...] = ()
    """What its checks need, unless one says otherwise."""
    absence_is_harmless: bool = False
    """Whether NOT_APPLICABLE counts as a pass of its checks, unless one says otherwise."""
    arises: Callable[[OpenedCase], object] | None = None
    """Whether the family's question arises in a case; none: in every one."""
    unasked: str = ""
    """Why its checks are not applicable where it does not."""
    checks: dict[str, Check] = field(default_factory=dict)

    def check(self, number: int, **says: Unpack[Says]) -> Callable[[CaseRun], CaseRun]:
        """Register a function as a check; its docstring is the title."""
        return self._registering(number, says, lambda function: function)

    def axis_check(self, number: int, **says: Unpack[Says]) -> Callable[[AxisRun], AxisRun]:
        """Register a check that is made of every axis on its own."""
        return self._registering(number, says, each_axis)

    def edited_check(self, number: int, **says: Unpack[Says]) -> Callable[[AxisRun], AxisRun]:
        """The same of what is edited: void, and harmlessly so, where no feature is found."""
        says["absence_is_harmless"] = True
        return self._registering(number, says, each_edited)

    def _registering(
        self, number: int, says: Says, made: Callable[[Function], CaseRun]
    ) -> Callable[[Function], Function]:
        def register(function: Function) -> Function:
            self._add(number, (function.__doc__ or "").strip(), says, made(function))
            return function

        return register

    def figures(
        self,
        number: int,
        title: str,
        *names: str,
        by: tuple[str, ...] = (),
        skip: frozenset[str] = frozenset(),
        if_edited: bool = False,
        unasked: str = "",
        **says: Unpack[Says],
    ) -> None:
        """Register that the record states of every axis what follows from its rows.

        `names`: places in the result of an axis, which are those in what is derived of it
        (`methods.derived`): `claim/p`. In `arms/*/realised`, entries are matched `by` their
        names. `skip`: fields that other checks answer for. `if_edited`: void without a
        feature. `unasked`: why nothing follows, where that is a question that does not arise.
        """

        def run(case: OpenedCase, place: int, axis: Axis) -> Run:
            examined = 0
            for name in names:
                head, _, entry = name.partition("/*/")
                derived = attrgetter(head.replace("/", "."))(case.axis(axis.id))
                pointer = f"/results/axes/{place}/{head}"
                here = [(pointer, derived)]
                if entry:
                    here = entry_values(case.record_json, pointer, derived, entry, by)
                for where, value in here:
                    examined += yield from compared(case, where, value, skip=skip)
                if unasked and not derived:
                    return NotApplicable(unasked)
            return examined

        owns = tuple(f"case.json#/results/axes/*/{name}" for name in names)
        texts: Says = {"owns": owns, "absence_is_harmless": if_edited or bool(unasked)} | says
        self._add(number, title, texts, (each_edited if if_edited else each_axis)(run))

    def _add(self, number: int, title: str, says: Says, run: CaseRun) -> None:
        name = f"{self.prefix}-{number:03d}"
        if name in self.checks:
            raise UsageError(name, "an id that is not taken")
        usual: Says = {
            "stage": self.stage,
            "tier": self.tier,
            "needs": self.needs,
            "absence_is_harmless": self.absence_is_harmless,
            **says,
        }
        self.checks[name] = Check(id=name, title=title, run=self._where_asked(run), **usual)

    def _where_asked(self, run: CaseRun) -> CaseRun:
        def asked(case: OpenedCase) -> Run:
            if self.arises is not None and not self.arises(case):
                return NotApplicable(self.unasked)
            return (yield from run(case))

        return asked


def each_axis(function: AxisRun) -> CaseRun:
    """A check of a whole case from a check of one axis: every axis is examined on its own.

    An axis whose figures cannot be derived is UNKNOWN with the reason, and the next is read.
    """

    def run(case: OpenedCase) -> Run:
        examined = 0
        reasons: list[str] = []
        for number, axis in enumerate(case.plan.axes):
            faults, outcome = drained(function(case, number, axis), axis.id)
            yield from faults
            if isinstance(outcome, NotApplicable):
                reasons.append(f"{axis.id}: {outcome.reason}")
            else:
                examined += outcome
        if not examined and reasons:
            return NotApplicable("; ".join(reasons))
        return examined

    return run


def each_edited(function: AxisRun) -> CaseRun:
    """The same of an axis that has arms: the question is void where no feature is found.

    That is not the record's word: the search is made again on the published activations.
    """

    def of_axis(case: OpenedCase, number: int, axis: Axis) -> Run:
        if axis.id in case.derived.featureless:
            return NotApplicable("no feature is found, so nothing is edited")
        return (yield from function(case, number, axis))

    return each_axis(of_axis)


def drained(run: Run, axis: str | None = None) -> tuple[list[Fault], Examined]:
    """All faults of a run, and what it examined; refusals become faults, so nothing raises.

    A method that has no value gives UNKNOWN with its reason; malformed input gives FAIL.
    """
    faults: list[Fault] = []
    examined: Examined = 0
    try:
        while True:
            faults.append(next(run))
    except StopIteration as stop:
        examined = stop.value
    except (MethodRefused, Withheld) as refusal:
        said, found = f"This cannot be derived: {refusal}", refusal.found or "no value"
        faults.append(Fault.unknown(refusal.where, refusal.expected, found, said))
    except MalformedInput as refusal:
        said, found = str(refusal) if refusal.remedy else "", refusal.found or "something else"
        faults.append(Fault(refusal.where, refusal.expected, found, said))
    return [f if f.axis is not None else replace(f, axis=axis) for f in faults], examined


def compared(
    case: OpenedCase, pointer: str, derived: object, *, skip: frozenset[str] = frozenset()
) -> Counted:
    """Faults where case.json states at a pointer something else than what follows.

    Examined: the entries of a list, one where it has to be empty; else one value.
    """
    yield from told(stated_gaps(case.record_json, pointer, derived, skip=skip))
    return max(len(derived), 1) if isinstance(derived, (list, tuple)) else 1


def told(gaps: Iterable[Gap], place: str = "") -> Counted:
    """A fault for everything that a method finds; what is silent leaves the question open."""
    for gap in gaps:
        outcome = Outcome.UNKNOWN if gap.silent else Outcome.FAIL
        yield Fault(place + gap.where, gap.expected, gap.found, gap.sentence, outcome, gap.axis)
    return 1
