"""The target beside its controls: of equal edit norm, and of equal damage."""

from __future__ import annotations

from typing import Literal

from safetycase.record.base import ArmId, Count, Record, Share

ControlFamily = Literal[
    "random_live", "random_direction", "unrelated_contrast", "shuffled_label", "gaussian"
]
"""Control arms of one kind; `gaussian` is reported and never relied on."""


class ControlTest(Record):
    """The target against one family of controls with the same edit norm."""

    family: ControlFamily
    """Which controls."""
    controls: Count
    """Controls that act: their realised norm is within the tolerance of the target's."""
    silent: Count
    """Controls that do not; they are not counted, and any one fails the claim, unless the
    claim does not rely on the family."""
    as_large: Count
    """Controls whose effect is at least the target's."""
    largest: float
    """Largest effect of a control, in the claim's direction, as a share."""
    median: float
    """Median effect of the controls, in the claim's direction, as a share."""
    p: Share
    """(1 + as large) / (1 + controls): one-sided rank p."""


class ArmDamage(Record):
    """An arm's damage and effect, both less the baseline's."""

    arm: ArmId
    """The arm."""
    damage: float
    """Damage in the unit of the plan's measure, to nine decimals."""
    effect: float
    """Change of the claim's rate in the claim's direction, as a share."""


class MatchedComparison(Record):
    """The target beside controls that damage the model as much."""

    arms: tuple[ArmDamage, ...]
    """The target, then every control that acts and is relied on."""
    matched: Count
    """Controls with a damage of at least the target's less the tolerance."""
    as_large: Count
    """Those of them whose effect is at least the target's."""
    p: Share | None = None
    """(1 + as large) / (1 + matched); none where no control matches."""
    slope: float
    """Least squares slope of effect on damage over all these arms; 0 if damage never varies."""
    residual: float
    """What the line leaves of the target's effect."""
    p_residual: Share | None = None
    """Rank p of that residual among those of the controls; none without controls."""
