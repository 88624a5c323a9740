"""The target's effect beside controls that damage the model as much as it does.

Equal edit norms do not do equal damage, and a damaged model answers otherwise. So the damage of
every arm is measured on its held-out rows, and the target is ranked among the controls that are
damaged at least as much, or by what is left of its effect once damage has explained a part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from safetycase.errors import MethodRefused
from safetycase.methods import grid
from safetycase.methods.account import LETTER_PAIRS
from safetycase.methods.controls import rank_test
from safetycase.methods.dose import signed
from safetycase.methods.grade import most_repeated
from safetycase.methods.identify import finds_nothing
from safetycase.methods.measure import acts_like_the_target, effect
from safetycase.methods.outcomes import answers_of, counts_in
from safetycase.methods.turns import answers_in, turns_of
from safetycase.record.control_tests import ArmDamage, MatchedComparison
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis, MatchedDegradation
from safetycase.record.planned_evaluation import INCOHERENT, Measure
from safetycase.tables.columns import Answers
from safetycase.tables.evidence import Evidence

_DIGITS = 9
"""Decimals to which a damage is rounded, so that no rank turns on the last bits of a sum."""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through points, and what it leaves of each."""

    slope: float
    residuals: tuple[float, ...]


def line_through(x: Sequence[float], y: Sequence[float]) -> Line:
    """Give the least squares line of y on x; level where x does not vary.

    Equal points get equal residuals, so that ties stay ties.

    Source: ordinary least squares; ranks of its residuals are exchangeable where the points
    are, the target's being among them: Freedman & Lane 1983, JBES 1:292.
    """
    n = len(x)
    if n == 0 or n != len(y):
        raise MethodRefused("line_through", "points", found=f"{n} and {len(y)} numbers")
    mx, my = math.fsum(x) / n, math.fsum(y) / n
    spread = math.fsum((a - mx) ** 2 for a in x)
    joint = math.fsum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    slope = joint / spread if spread > 0.0 else 0.0
    left = tuple(round((b - my) - slope * (a - mx), _DIGITS) for a, b in zip(x, y, strict=True))
    return Line(slope, left)


def matched_comparison(plan: Plan, axis: Axis, evidence: Evidence) -> MatchedComparison | None:
    """The target at matched degradation, if the plan asks; none where no feature was found.

    Only controls that act, of the families that a claim relies on. Those with a damage of at
    least the target's less the tolerance are its equals: rank p among them. Beside it, rank p
    of the target's residual on the line of effect on damage through all of them and itself.
    """
    asked = axis.matched_degradation
    if asked is None or finds_nothing(axis, evidence):
        return None
    target = f"{axis.id}/target"
    controls = [
        arm
        for family in grid.relied_on(plan)
        for arm in grid.control_arms(plan, axis, family)
        if acts_like_the_target(plan, axis, evidence, arm)
    ]
    arms = [
        ArmDamage(
            arm=arm,
            damage=damage(plan, axis, asked, evidence, arm),
            effect=effect(plan, axis, evidence, arm, at_most=arm != target),
        )
        for arm in (target, *controls)
    ]
    aim, *others = arms
    least = round(aim.damage - asked.tolerance, _DIGITS)
    equals = [other.effect for other in others if other.damage >= least]
    line = line_through([arm.damage for arm in arms], [arm.effect for arm in arms])
    own, *theirs = line.residuals
    return MatchedComparison(
        arms=tuple(arms),
        matched=len(equals),
        as_large=sum(other >= aim.effect for other in equals),
        p=rank_test(aim.effect, equals) if equals else None,
        slope=line.slope,
        residual=own,
        p_residual=rank_test(own, theirs) if theirs else None,
    )


def tested_p(asked: MatchedDegradation, found: MatchedComparison) -> float | None:
    """The p of the test that the plan chose; none where no control could be compared with."""
    return found.p if asked.test == "matched" else found.p_residual


def damage(
    plan: Plan, axis: Axis, asked: MatchedDegradation, evidence: Evidence, arm: str
) -> float:
    """How much more an arm damages the model than no edit does, on held-out items."""
    if asked.damage == "capability":
        return round(_capability(plan, axis, asked, evidence, arm), _DIGITS) + 0.0
    name = axis.claim.measure.evaluation
    read = _READ[asked.damage]
    if asked.damage == "repetition" and turns_of(grid.evaluation_named(plan, name)) is not None:
        read = _repetition_of_scripts
    after = read(answers_of(plan, evidence, name, arm, "held_out"))
    before = read(answers_of(plan, evidence, name, grid.BASELINE, "held_out"))
    return round(after - before, _DIGITS) + 0.0


def _capability(
    plan: Plan, axis: Axis, asked: MatchedDegradation, evidence: Evidence, arm: str
) -> float:
    kept = next((each for each in axis.side_effects if each.id == asked.side_effect), None)
    if kept is None:
        raise MethodRefused(f"axis {axis.id}", "a side effect that is damage", found="none")
    return signed(kept.worse, _share(plan, evidence, kept.measure, arm)) - signed(
        kept.worse, _share(plan, evidence, kept.measure, grid.BASELINE)
    )


def _share(plan: Plan, evidence: Evidence, measure: Measure, arm: str) -> float:
    flags = counts_in(plan, evidence, measure, arm, "held_out").least
    return int(flags.sum()) / len(flags)


def _likelihood(answers: Answers) -> float:
    """Mean nats: of each text under the unsteered model, or what two letters lack of one."""
    if answers.kind == "generations":
        return _mean(answers.numbers("nll").tolist())
    lacking = [
        -np.log(np.exp(answers.numbers(one)) + np.exp(answers.numbers(two)))
        for one, two in LETTER_PAIRS
    ]
    return _mean([value for column in lacking for value in column.tolist()])


def _repetition(answers: Answers) -> float:
    return _mean([most_repeated((text,), empty=1.0) for text in answers.texts("output")])


def _repetition_of_scripts(answers: Answers) -> float:
    said = map(answers_in, answers.texts("output"))
    return _mean([most_repeated(texts, empty=1.0) for texts in said])


def _incoherent(answers: Answers) -> float:
    return int(answers.outcome.among({INCOHERENT}).sum()) / len(answers)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


_READ: dict[str, Callable[[Answers], float]] = {
    "likelihood": _likelihood,
    "repetition": _repetition,
    "incoherent": _incoherent,
}
