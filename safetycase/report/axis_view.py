"""One axis of the case as the pages show it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import get_args

from markupsafe import Markup

from safetycase.methods.grid import NAMED_ROLES, SIMPLER_ROLES, candidates
from safetycase.methods.mechanism import MEANINGS
from safetycase.record.base import Record
from safetycase.record.control_tests import ControlFamily
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import Measure
from safetycase.record.results import AxisResult, Intervention, Mechanism
from safetycase.record.sentences import sentences
from safetycase.record.trace_summary import TraceSummary
from safetycase.report.axis_rates import Bound, Strip, bounds_of, measure_name, strips_of
from safetycase.report.beside_view import Beside, beside_view
from safetycase.report.damage_view import Damage, damage_view
from safetycase.report.dose_plot import dose_plot
from safetycase.report.feature_rows import FeatureRow, feature_rows, search_in_words
from safetycase.report.source import Shown, Source
from safetycase.report.steering_view import SpreadRow, moved, spread
from safetycase.report.words import ROLE_NAMES, in_words, plain, question_of

_TEXTS = ("word", "prefix", "system", "seed")
_ALONE = ("baseline", *NAMED_ROLES, *SIMPLER_ROLES)

_NEIGHBOUR = (
    "feature",
    "neighbour",
    "cosine",
    "both",
    "feature_alone",
    "neighbour_alone",
)


_MEMBER = ("feature", "member", "cosine", "both", "feature_alone", "member_alone")


@dataclass(frozen=True, slots=True)
class DoseRow:
    """One dose of a series."""

    dose: Shown
    counted: Shown
    """Items that count, of all, as a rate."""
    count: Shown
    """Items that count."""
    incoherent: Shown
    admissible: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class DoseSeries:
    """A dose series: the target's, or that of a random set."""

    name: str
    chosen: Shown
    monotone: bool
    trend: Shown | None
    trend_p: Shown | None
    rows: tuple[DoseRow, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A named fact with the sentence of its field."""

    name: str
    value: Shown
    sentence: str


@dataclass(frozen=True, slots=True)
class ArmRow:
    """An arm: what it edits, how far on paper and in fact."""

    name: str
    features: tuple[Shown, ...]
    pool_pair: tuple[Shown, ...]
    text: Shown | None
    """The word of an unrelated contrast, the seed of a draw or the text of a prompt."""
    dose: Shown
    coefficient: Shown
    realised: Shown | None
    relative: Shown | None


@dataclass(frozen=True, slots=True)
class ConditionRow:
    """A condition of the claim."""

    name: str
    question: str
    holds: bool
    reason: Shown


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """An arm against the baseline, item by item."""

    arm: str
    measure: str
    counts: tuple[Shown, ...]
    """Items that count in both, gained, lost, neither."""
    difference: Shown
    low: Shown
    high: Shown
    p: Shown


@dataclass(frozen=True, slots=True)
class ControlRow:
    """The target against a family of controls."""

    family: str
    figures: tuple[Shown, ...]
    """Controls, silent, as large, largest, median, p."""


@dataclass(frozen=True, slots=True)
class AxisView:
    """Everything about one axis."""

    here: str
    hazard: Shown
    deployed: bool
    planned: str
    """What the plan wanted to claim, without its figure."""
    margin: Shown
    counts: tuple[Shown, ...]
    """Candidates, significant, items of the positive and of the negative class."""
    features: tuple[FeatureRow, ...]
    search: str | None
    """How candidates were ranked and corrected, where it is not the usual way."""
    strips: tuple[Strip, ...]
    beside: Beside
    controls: tuple[ControlRow, ...]
    dose_plot: Markup | None
    dose_measure: str
    doses: tuple[DoseSeries, ...]
    intervention: tuple[Entry, ...]
    """Empty where no feature was found: nothing was edited."""
    unanswered: Shown | None
    """Discovery items without a class, where classes are outcomes and there are any."""
    least_p: Shown | None
    """Where no feature was kept: how near the best candidate came."""
    digest: Shown | None
    error_policy: str
    """What becomes of what the dictionary leaves unexplained; empty where it stays."""
    arms: tuple[ArmRow, ...]
    """Arms that stand alone."""
    families: tuple[tuple[str, tuple[ArmRow, ...]], ...]
    """Control arms, family by family."""
    bounds: tuple[Bound, ...]
    conditions: tuple[ConditionRow, ...]
    comparisons: tuple[ComparisonRow, ...]
    baselines: tuple[ComparisonRow, ...]
    """The target beside simpler interventions, item by item."""
    neighbours: tuple[tuple[Shown, ...], ...]
    """Feature, decoder neighbour, cosine, prompts on which both, the one, the other fire."""
    groups: tuple[tuple[Shown, ...], ...]
    """The same of what is edited with a kept feature."""
    traces: tuple[Entry, ...]
    """Figures of the audit traces; none where the plan asks for no traces."""
    degradation: Damage | None
    """The target beside controls that damage the model as much."""
    moved: tuple[Shown, ...]
    """Items that moved as intended, against it, and not; none in cases of the first version."""
    spread: tuple[SpreadRow, ...]
    detectable: Shown | None
    """Least change that the sample finds; none for claims that nothing changes."""
    mechanism: str
    """What kind of evidence the claim is, in words; none in cases that do not say it."""


def axis_view(source: Source, number: int) -> AxisView:
    """The axis of that number, from 0, in plan and in results alike."""
    axis, result = source.plan.axes[number], source.case.results.axes[number]
    here = f"/results/axes/{number}"
    found = f"{here}/identification"
    return AxisView(
        here=here,
        hazard=source.planned(f"/axes/{number}/hazard"),
        deployed=axis.purpose == "deployed",
        planned=_planned(axis),
        margin=source.planned(f"/axes/{number}/claim/margin"),
        counts=tuple(
            source.show(f"{found}/{name}")
            for name in ("candidates", "significant", "positive_items", "negative_items")
        ),
        features=tuple(feature_rows(source, result, found)),
        search=search_in_words(axis.selection),
        strips=tuple(strips_of(source, number)),
        beside=beside_view(source, number),
        controls=tuple(_controls(source, result, here)),
        dose_plot=_dose_plot(axis, result),
        dose_measure=measure_name(axis.dose_rule.measure),
        doses=tuple(_series(source, axis, result, here)),
        intervention=()
        if result.intervention is None
        else tuple(_entries(source, f"{here}/intervention", Intervention)),
        digest=source.show_stated(f"{here}/intervention_digest"),
        error_policy=axis.candidate.error_policy or "",
        unanswered=source.show_stated(f"{found}/unanswered"),
        least_p=source.show_stated(f"{found}/least_p_adjusted"),
        arms=tuple(_arms(source, result, here, _ALONE)),
        families=tuple(
            (ROLE_NAMES[role], tuple(_arms(source, result, here, {role})))
            for role in get_args(ControlFamily)
        ),
        bounds=tuple(bounds_of(source, number)),
        conditions=tuple(_conditions(source, axis, result, here)),
        comparisons=tuple(_comparisons(source, result, here)),
        baselines=tuple(_baselines(source, axis, result, here)),
        neighbours=tuple(
            tuple(source.show(f"{here}/neighbours/{place}/{name}") for name in _NEIGHBOUR)
            for place in range(len(result.neighbours or ()))
        ),
        groups=tuple(
            tuple(source.show(f"{here}/groups/{place}/{name}") for name in _MEMBER)
            for place in range(len(result.groups or ()))
        ),
        traces=()
        if result.traces is None
        else tuple(_entries(source, f"{here}/traces", TraceSummary)),
        degradation=damage_view(source, number, result, here),
        moved=tuple(moved(source, result, here)),
        spread=tuple(spread(source, result, here)),
        detectable=source.show_stated(f"{here}/claim/detectable"),
        mechanism=_evidence(result.claim.mechanism),
    )


def _evidence(mechanism: Mechanism | None) -> str:
    return "" if mechanism is None else f"{in_words(mechanism)}. {MEANINGS[mechanism]}"


def _planned(axis: Axis) -> str:
    claim = axis.claim
    if claim.kind == "effect":
        verb = "raises" if claim.direction == "up" else "lowers"
        return f"The intervention {verb} the rate of {claim.rate} by at least"
    verb = "raise" if claim.direction == "up" else "lower"
    return f"The intervention does not {verb} the rate of {claim.rate} by more than"


def _controls(source: Source, result: AxisResult, here: str) -> Iterator[ControlRow]:
    names = ("controls", "silent", "as_large", "largest", "median", "p")
    for number, test in enumerate(result.controls):
        place = f"{here}/controls/{number}"
        figures = tuple(source.show(f"{place}/{name}") for name in names)
        yield ControlRow(ROLE_NAMES[test.family], figures)


def _dose_plot(axis: Axis, result: AxisResult) -> Markup | None:
    """The series of the candidate that was taken, as the target's arm says."""
    taken = next((arm.candidate for arm in result.arms if arm.role == "target"), None)
    for response in result.dose_response:
        is_taken = response.arm.endswith("/target") and response.candidate == taken
        if is_taken and response.points:
            return dose_plot(
                f"Dose response of the target on axis {result.axis}",
                response.points,
                response.chosen,
                in_words(candidates(axis)[taken or 0].unit),
            )
    return None


def _series(source: Source, axis: Axis, result: AxisResult, here: str) -> Iterator[DoseSeries]:
    random_sets = 0
    for number, response in enumerate(result.dose_response):
        place = f"{here}/dose_response/{number}"
        is_target = response.arm.endswith("/target")
        random_sets += not is_target and response.candidate is None
        name = "Target" if is_target else f"Random set {random_sets}"
        if axis.alternatives is not None:
            name += f", {in_words(candidates(axis)[response.candidate or 0].operation)}"
        yield DoseSeries(
            name=name,
            chosen=source.show(f"{place}/chosen"),
            monotone=response.monotone,
            trend=source.show_stated(f"{place}/trend/direction"),
            trend_p=source.show_stated(f"{place}/trend/p"),
            rows=tuple(
                DoseRow(
                    dose=source.show(f"{place}/points/{i}/dose"),
                    counted=source.show(f"{place}/points/{i}"),
                    count=source.show(f"{place}/points/{i}/counted"),
                    incoherent=source.show(f"{place}/points/{i}/incoherent"),
                    admissible=point.admissible,
                    chosen=point.dose == response.chosen,
                )
                for i, point in enumerate(response.points)
            ),
        )


def _entries(source: Source, here: str, facts: type[Record]) -> Iterator[Entry]:
    said = sentences(facts)
    for name in facts.model_fields:
        sentence = plain(said.get(name, ""))
        yield Entry(in_words(name), source.show(f"{here}/{name}"), sentence)


def _arms(
    source: Source, result: AxisResult, here: str, roles: Collection[str]
) -> Iterator[ArmRow]:
    for number, arm in enumerate(result.arms):
        if arm.role not in roles:
            continue
        place = f"{here}/arms/{number}"
        yield ArmRow(
            name=arm.id.rpartition("/")[2] if len(roles) == 1 else ROLE_NAMES[arm.role],
            features=source.show_each(f"{place}/features"),
            pool_pair=source.show_each(f"{place}/pool_pair"),
            text=_first_stated(source, *(f"{place}/{name}" for name in _TEXTS)),
            dose=source.show(f"{place}/dose"),
            coefficient=source.show(f"{place}/coefficient"),
            realised=source.show_stated(f"{place}/realised"),
            relative=source.show_stated(f"{place}/relative"),
        )


def _first_stated(source: Source, *places: str) -> Shown | None:
    shown = (source.show_stated(place) for place in places)
    return next((one for one in shown if one is not None), None)


def _conditions(
    source: Source, axis: Axis, result: AxisResult, here: str
) -> Iterator[ConditionRow]:
    for number, condition in enumerate(result.claim.conditions):
        question = question_of(axis, condition.id)
        reason = source.show(f"{here}/claim/conditions/{number}/reason")
        yield ConditionRow(condition.id, question, condition.holds, reason)


def _comparisons(source: Source, result: AxisResult, here: str) -> Iterator[ComparisonRow]:
    for number, comparison in enumerate(result.comparisons):
        place = f"{here}/comparisons/{number}"
        yield _comparison(source, place, comparison.arm, comparison.measure)


def _baselines(
    source: Source, axis: Axis, result: AxisResult, here: str
) -> Iterator[ComparisonRow]:
    for number, comparison in enumerate(result.baselines or ()):
        place = f"{here}/baselines/{number}"
        yield _comparison(source, place, comparison.arm, axis.claim.measure)


def _comparison(source: Source, place: str, arm: str, measure: Measure) -> ComparisonRow:
    names = ("both", "gained", "lost", "neither")
    return ComparisonRow(
        arm=arm_name(arm),
        measure=measure_name(measure),
        counts=tuple(source.show(f"{place}/{name}") for name in names),
        difference=source.show(f"{place}/difference"),
        low=source.show(f"{place}/low"),
        high=source.show(f"{place}/high"),
        p=source.show(f"{place}/p"),
    )


def arm_name(arm: str) -> str:
    """An arm in words, by the role in its name; its name if that is none."""
    role = arm.partition("/")[2].partition("/")[0] or arm
    return ROLE_NAMES.get(role, arm)
