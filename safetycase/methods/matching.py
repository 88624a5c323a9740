"""How large a control's edit is made, where the target's depends on what it finds.

An edit that depends on activations has no length of its own: the target's is measured on tuning
items, and so is that of every control that does the same, before it is made as large.
"""

from __future__ import annotations

from safetycase.errors import MethodRefused
from safetycase.methods import grid
from safetycase.methods.realised import realised_norm
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Evidence


def length_of(
    plan: Plan, axis: Axis, evidence: Evidence, dose: float, candidate: int = 0
) -> float:
    """The target's realised mean ‖Δh‖ at a dose on the tuning split, in six digits.

    Refused where its features never fire there: an edit of nothing is no intervention, and
    whatever follows it no null result.
    """
    tried = grid.candidates(axis)[candidate]
    arm = grid.dose_arms(axis, candidate)[tried.doses.index(dose)]
    length = _realised(plan, axis, evidence, arm)
    if not length:
        raise MethodRefused(
            f"axis {axis.id}",
            f"an edit of some size on the tuning items at dose {dose:g}",
            found=f"none: {tried.operation} met no activation of its features",
            remedy="Select features that fire where the dose rule's questions are put, or add.",
        )
    return length


def gain_of(
    plan: Plan, axis: Axis, evidence: Evidence, dose: float, gauge: str, candidate: int = 0
) -> float:
    """What makes a control's edit as large as the target's on the tuning split.

    Six digits. A control whose edit is nothing there has the gain 1: it will not act.
    """
    wanted = length_of(plan, axis, evidence, dose, candidate)
    done = _realised(plan, axis, evidence, gauge)
    return _six_digits(wanted / done) if done else 1.0


def _realised(plan: Plan, axis: Axis, evidence: Evidence, arm: str) -> float:
    done, _ = realised_norm(plan, evidence, axis.dose_rule.measure, arm, "tuning")
    return 0.0 if done is None else _six_digits(done)


def _six_digits(value: float) -> float:
    return float(f"{value:.6g}")
