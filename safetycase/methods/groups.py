"""Groups: decoder neighbours of the kept features that fire with them and are edited too.

A dictionary may have split one concept over several features, or let one of them absorb a part
of another: an edit of the feature that was found then leaves the rest in place. Which features
fire with a kept one follows from the published activations of all of them. The cosines of these
are published; of what is edited the decoder row is too, and its cosine is computed again.

Source: splitting and absorption, Chanin et al. 2024, arXiv 2409.14507.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods.identify import pooled, select_features
from safetycase.methods.neighbours import Misnamed, cosines
from safetycase.record.identification import GroupMember
from safetycase.record.planned_axis import Axis
from safetycase.tables.evidence import Evidence

_SLACK = 2e-6
"""How far a cosine of six digits may lie from that of float32 rows."""


@dataclass(frozen=True, slots=True)
class Companion:
    """A feature that fires often enough on the discovery prompts on which a kept one does."""

    feature: int
    """The kept feature."""
    other: int
    both: int
    feature_alone: int
    other_alone: int


def ids_name(axis: Axis) -> str:
    """Name of the tensor of all companions of the kept features, int64 [companions]."""
    return f"{axis.id}.group_features"


def cosines_name(axis: Axis) -> str:
    """Name of the tensor of the cosines of their decoder rows, float64 [companions]."""
    return f"{axis.id}.group_cosines"


def companions(axis: Axis, evidence: Evidence) -> list[Companion]:
    """Every companion of every kept feature, in the order kept, then ascending.

    Of the discovery prompts on which either fires, both fire on the planned share or more
    (Jaccard 1912). No kept feature is one: it is edited anyway. None where the plan asks for no
    groups.
    """
    rule = axis.selection.groups
    if rule is None:
        return []
    kept = [each.feature for each in select_features(axis, evidence).features]
    fires = pooled(axis, evidence) > 0
    firing = fires.sum(axis=0, dtype=np.int64)
    found = []
    for feature in kept:
        both = fires[fires[:, feature]].sum(axis=0, dtype=np.int64)
        either = firing + firing[feature] - both
        enough = both / np.maximum(either, 1) >= rule.co_firing
        enough[kept] = False
        found += [
            Companion(
                feature,
                other=int(other),
                both=int(both[other]),
                feature_alone=int(firing[feature] - both[other]),
                other_alone=int(firing[other] - both[other]),
            )
            for other in np.flatnonzero(enough)
        ]
    return found


def spelled_cosines(own: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Cosines of a decoder row [1, d] with others [n, d], as published: six digits."""
    return np.array([float(f"{one:.6g}") + 0.0 for one in cosines(own, rows)[0].tolist()])


def group_members(axis: Axis, evidence: Evidence) -> tuple[GroupMember, ...]:
    """What every kept feature brings in, in the order kept, nearest first.

    Its companions with the planned cosine or more, the planned number at most; ties go to the
    lower index. Two kept features may bring in the same one. Refused where the published
    companions are others than those that the activations give.
    """
    key = ("groups", axis.id, axis.selection)
    return evidence.once(key, lambda: tuple(_members(axis, evidence)))


def _members(axis: Axis, evidence: Evidence) -> Iterator[GroupMember]:
    rule = axis.selection.groups
    if rule is None:
        return
    found = companions(axis, evidence)
    stated = evidence.tensor(cosines_name(axis))
    if not _same(axis, evidence, found):
        where, wanted = f"tensor {ids_name(axis)}", f"the {len(found)} features that fire with"
        raise MethodRefused(where, f"{wanted} the kept ones", found="others")
    near = [
        (one, float(cosine))
        for one, cosine in zip(found, stated, strict=True)
        if cosine >= rule.cosine
    ]
    for feature in dict.fromkeys(one.feature for one in found):
        own = [pair for pair in near if pair[0].feature == feature]
        own.sort(key=lambda pair: (-pair[1], pair[0].other))
        for one, cosine in own[: rule.at_most]:
            yield GroupMember(
                feature=feature,
                member=one.other,
                cosine=cosine,
                both=one.both,
                feature_alone=one.feature_alone,
                member_alone=one.other_alone,
            )


def _same(axis: Axis, evidence: Evidence, found: Sequence[Companion]) -> bool:
    named: list[int] = evidence.tensor(ids_name(axis)).tolist()
    return named == [one.other for one in found]


def group_faults(axis: Axis, evidence: Evidence) -> Iterator[Misnamed]:
    """Companions that others fire with, and cosines that published decoder rows contradict."""
    found = companions(axis, evidence)
    named, stated = evidence.tensor(ids_name(axis)), evidence.tensor(cosines_name(axis))
    if not _same(axis, evidence, found):
        yield Misnamed(0, f"the {len(found)} features that fire with a kept one", "others")
        return
    columns = {int(one): n for n, one in enumerate(evidence.tensor(f"{axis.id}.features"))}
    rows = evidence.tensor(f"{axis.id}.w_dec")
    for place, one in enumerate(found):
        if one.other in columns and one.feature in columns:
            own, other = rows[[columns[one.feature]]], rows[[columns[one.other]]]
            again = float(cosines(own, other)[0, 0])
            if not abs(again - stated[place]) <= _SLACK:
                expected = f"{again:.6g} with {one.feature}, by their published decoder rows"
                yield Misnamed(place, expected, f"{stated[place]:.6g} of {named[place]}")
