"""The rates of an axis: strips of all arms, and bounds of changes against their margins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from markupsafe import Markup

from safetycase.methods.grid import NAMED_ROLES, SIMPLER_ROLES
from safetycase.record.control_tests import ControlFamily
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import INCOHERENT, Measure
from safetycase.record.results import AxisResult, Rate
from safetycase.report.interval_plot import interval_plot, reach_of
from safetycase.report.source import Shown, Source
from safetycase.report.strip_plot import StripRow, strip_plot
from safetycase.report.words import ROLE_NAMES

_SINGLE = ("baseline", *NAMED_ROLES, *SIMPLER_ROLES)
_FAMILIES: tuple[str, ...] = get_args(ControlFamily)


@dataclass(frozen=True, slots=True)
class Strip:
    """A rate under all arms: its drawing, and the rates of the single arms with intervals."""

    title: str
    measure: str
    plot: Markup
    rates: tuple[StripRate, ...]


@dataclass(frozen=True, slots=True)
class StripRate:
    """The rate of a single arm."""

    arm: str
    rate: Shown
    low: Shown
    high: Shown
    effective: Shown | None
    """Independent answers that would say as much, where items come in clusters."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A change of the target against its margin."""

    title: Shown | None
    """The side effect or manipulation check; none for the claim itself."""
    kind: str
    before: Shown | None
    after: Shown | None
    difference: Shown
    low: Shown
    high: Shown
    clusters: Shown | None
    """Number of clusters, where items come in clusters."""
    missing: Shown | None
    """Pairs that lack an answer, where some do."""
    margin: Shown
    asks: str
    """What the margin asks, in words, to be followed by it."""
    holds: bool | None
    plot: Markup


@dataclass(frozen=True, slots=True)
class _Asked:
    """A change with its margin, as planned."""

    title: str | None
    """Pointer to the title in the plan."""
    kind: str
    measure: Measure
    margin: str
    """Pointer to the margin in the plan."""
    signed: float
    wanted: bool
    condition: str


def measure_name(measure: Measure) -> str:
    """A measure in words: `requests: unsafe`."""
    return f"{measure.evaluation}: {' or '.join(measure.outcomes)}"


def role_of(arm: str) -> str:
    """The role in an arm's name."""
    return arm.partition("/")[2].partition("/")[0] or arm


def strips_of(source: Source, number: int) -> Iterator[Strip]:
    """A strip for the claim's rate, then for every manipulation check, then for incoherence."""
    axis, result = source.plan.axes[number], source.case.results.axes[number]
    pointer = f"/results/axes/{number}/rates"
    for title, measure in _stripped(axis):
        rates = [
            _Placed(f"{pointer}/{place}", rate)
            for place, rate in enumerate(result.rates)
            if rate.measure == measure
        ]
        if rates:
            rows = [*_single_rows(source, rates), *_family_rows(source, number, rates)]
            singles = tuple(_strip_rates(source, rates))
            yield Strip(title, measure_name(measure), strip_plot(title, rows), singles)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A rate with its pointer."""

    pointer: str
    rate: Rate

    @property
    def role(self) -> str:
        return role_of(self.rate.arm)

    @property
    def share(self) -> float:
        return self.rate.counted / self.rate.items


def _stripped(axis: Axis) -> Iterator[tuple[str, Measure]]:
    yield f"Rate of {axis.claim.rate}", axis.claim.measure
    for mediator in axis.mediators:
        yield f"Manipulation check: {mediator.title}", mediator.measure
    evaluation = axis.claim.measure.evaluation
    yield (
        "Rate of incoherent answers",
        Measure(evaluation=evaluation, outcomes=(INCOHERENT,)),
    )


def _strip_rates(source: Source, rates: Sequence[_Placed]) -> Iterator[StripRate]:
    for placed in rates:
        if placed.role in _SINGLE:
            yield StripRate(
                arm=ROLE_NAMES[placed.role],
                rate=source.show(placed.pointer),
                low=source.show(f"{placed.pointer}/low"),
                high=source.show(f"{placed.pointer}/high"),
                effective=source.show_stated(f"{placed.pointer}/clustered/effective"),
            )


def _single_rows(source: Source, rates: Sequence[_Placed]) -> Iterator[StripRow]:
    for role in _SINGLE:
        for placed in rates:
            if placed.role == role:
                yield StripRow(
                    role=role,
                    name=ROLE_NAMES[role],
                    shares=(placed.share,),
                    interval=(placed.rate.low, placed.rate.high),
                    notes=(source.show(placed.pointer),),
                )


def _family_rows(source: Source, number: int, rates: Sequence[_Placed]) -> Iterator[StripRow]:
    for role in _FAMILIES:
        family = [placed for placed in rates if placed.role == role]
        if family:
            shares = tuple(placed.share for placed in family)
            notes = _test_notes(source, number, role, rates) or _extreme(source, family, rates)
            yield StripRow(role, ROLE_NAMES[role], shares, None, notes)


def _test_notes(
    source: Source, number: int, role: str, rates: Sequence[_Placed]
) -> tuple[str | Shown, ...]:
    """The largest effect of the family's rank test, on the rate that the test is about."""
    claim = source.plan.axes[number].claim
    if rates[0].rate.measure != claim.measure:
        return ()
    for place, test in enumerate(source.case.results.axes[number].controls):
        if test.family == role:
            shown = source.show(f"/results/axes/{number}/controls/{place}/largest")
            return ("largest effect ", shown)
    return ()


def _extreme(
    source: Source, family: Sequence[_Placed], rates: Sequence[_Placed]
) -> tuple[str | Shown, ...]:
    """The control nearest to the target; of incoherent answers, the highest."""
    if rates[0].rate.measure.outcomes == (INCOHERENT,):
        return ("highest ", source.show(max(family, key=lambda one: one.share).pointer))
    for target in rates:
        if target.role == "target":
            nearest = min(family, key=lambda one: abs(one.share - target.share))
            return ("nearest ", source.show(nearest.pointer))
    return ()


def bounds_of(source: Source, number: int) -> Iterator[Bound]:
    """The claim's change, then every side effect and manipulation check; one scale a kind."""
    axis, result = source.plan.axes[number], source.case.results.axes[number]
    measures = {each.id: each.claim.measure for each in source.plan.axes}
    asked = [
        (one, place)
        for one in _asked(axis, number, measures)
        for place in _target_comparison(result, one.measure)
    ]
    extremes: dict[str, list[float]] = {}
    for one, place in asked:
        comparison = result.comparisons[place]
        extremes.setdefault(one.kind, []).extend((one.signed, comparison.low, comparison.high))
    for one, place in asked:
        yield _bound(source, number, one, place, reach_of(extremes[one.kind]))


def _target_comparison(result: AxisResult, measure: Measure) -> list[int]:
    arm = f"{result.axis}/target"
    found = [
        place
        for place, comparison in enumerate(result.comparisons)
        if comparison.arm == arm and comparison.measure == measure
    ]
    return found[:1]


def _asked(axis: Axis, number: int, measures: Mapping[str, Measure]) -> Iterator[_Asked]:
    here = f"/axes/{number}"
    claim = axis.claim
    effect = claim.kind == "effect"
    yield _Asked(
        None,
        "claim",
        claim.measure,
        f"{here}/claim/margin",
        claim.margin if claim.direction == "up" else -claim.margin,
        effect,
        "large_enough" if effect else "bounded",
    )
    for i, kept in enumerate(axis.side_effects):
        signed = kept.margin if kept.worse == "up" else -kept.margin
        place = f"{here}/side_effects/{i}"
        yield _Asked(
            f"{place}/title", "side effect", kept.measure, f"{place}/margin", signed,
            wanted=False, condition=f"keeps.{kept.id}",
        )  # fmt: skip
    for i, other in enumerate(axis.off_target or ()):
        signed = other.margin if other.worse == "up" else -other.margin
        place = f"{here}/off_target/{i}"
        yield _Asked(
            f"{place}/axis", "off target", measures[other.axis], f"{place}/margin", signed,
            wanted=False, condition=f"keeps.off_target.{other.axis}",
        )  # fmt: skip
    for i, moved in enumerate(axis.mediators):
        signed = moved.at_least if moved.direction == "up" else -moved.at_least
        place = f"{here}/mediators/{i}"
        yield _Asked(
            f"{place}/title", "manipulation check", moved.measure, f"{place}/at_least", signed,
            wanted=True, condition=f"moves.{moved.id}",
        )  # fmt: skip


def _bound(source: Source, number: int, asked: _Asked, place: int, reach: float) -> Bound:
    result = source.case.results.axes[number]
    comparison = result.comparisons[place]
    here = f"/results/axes/{number}/comparisons/{place}"
    states = {condition.id: condition.holds for condition in result.claim.conditions}
    return Bound(
        title=None if asked.title is None else source.planned(asked.title),
        kind=asked.kind,
        before=_rate_of(source, number, "baseline", asked.measure),
        after=_rate_of(source, number, comparison.arm, asked.measure),
        difference=source.show(f"{here}/difference"),
        low=source.show(f"{here}/low"),
        high=source.show(f"{here}/high"),
        clusters=source.show_stated(f"{here}/clustered/clusters"),
        missing=source.show_stated(f"{here}/excluded/pairs"),
        margin=source.planned(asked.margin),
        asks="asked: at least" if asked.wanted else "tolerated: at most",
        holds=states.get(asked.condition),
        plot=interval_plot(
            f"Change of {measure_name(asked.measure)} against its margin",
            comparison.difference,
            (comparison.low, comparison.high),
            margin=asked.signed,
            beyond_is_wanted=asked.wanted,
            reach=reach,
        ),
    )


def _rate_of(source: Source, number: int, arm: str, measure: Measure) -> Shown | None:
    rates = source.case.results.axes[number].rates
    for place, rate in enumerate(rates):
        if rate.arm == arm and rate.measure == measure:
            return source.show(f"/results/axes/{number}/rates/{place}")
    return None
