"""Which features arms edit: the selected ones, and random sets drawn among live ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from safetycase.errors import MethodRefused
from safetycase.methods import grid
from safetycase.methods.controls import draw_feature_sets
from safetycase.methods.groups import group_members
from safetycase.methods.identify import densities, live_features, select_features
from safetycase.methods.stacks import part_numbers, widths_of
from safetycase.methods.stream import Stream
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Evidence

DENSE_AS = 0.5
"""Share of the target's density that a random feature has, where it must fire to act."""


def target_features(axis: Axis, evidence: Evidence) -> tuple[int, ...]:
    """The kept features and their groups, ascending; refused if the rule kept none."""
    kept = {one.feature for one in select_features(axis, evidence).features}
    grouped = {one.member for one in group_members(axis, evidence)} if kept else set()
    features = tuple(sorted(kept | grouped))
    if not features:
        raise MethodRefused(
            f"axis {axis.id}",
            "at least one feature that passes the selection rule",
            found="none",
            remedy="No claim can be made on this axis with this dictionary and contrast.",
        )
    return features


def best_of_sets(
    plan: Plan, axis: Axis, case_seed: str, evidence: Evidence
) -> list[tuple[int, ...]]:
    """Random sets of live features that get the target's privilege of a tuned dose."""
    return drawn_sets(plan, axis, case_seed, evidence, "best_of", plan.controls.best_of)


def drawn_sets(
    plan: Plan, axis: Axis, case_seed: str, evidence: Evidence, family: str, count: int
) -> list[tuple[int, ...]]:
    """As many sets of as many features as the target, by the stream of a family of controls."""
    target, widths = target_features(axis, evidence), widths_of(axis, evidence)
    eligible = _eligible(plan, axis, target, evidence)
    of_parts: list[tuple[list[int], int]] = [([], 0) for _ in widths]
    for part, feature in zip(part_numbers(eligible, widths), eligible, strict=True):
        of_parts[part][0].append(feature)
    asked = Counter(part_numbers(target, widths))
    return draw_feature_sets(
        Stream(case_seed, f"{axis.id}/{family}"),
        [(live, asked[number]) for number, (live, _) in enumerate(of_parts)],
        count=count,
        excluded=target,
    )


def _eligible(plan: Plan, axis: Axis, target: Sequence[int], evidence: Evidence) -> list[int]:
    """Live features; where the operation acts only as a feature fires, those that fire enough.

    A feature that seldom fires would need a large edit in few places to be as large on the
    whole: no control for one that fires in many.
    """
    live = live_features(plan, axis, evidence)
    everywhere = {"add", "project_out"}
    if all(tried.operation in everywhere for tried in grid.candidates(axis)):
        return live
    shares = densities(axis, evidence)
    least = DENSE_AS * min(shares[feature] for feature in target)
    return [feature for feature in live if shares[feature] >= least]
