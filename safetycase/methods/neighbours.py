"""Decoder neighbours of the kept features: was a concept split over several of them?

The dictionary's whole decoder is needed to say which features lie nearest; that is the
runner's word. What it names is published, so that the cosines and how often both fire are
computed again, and no published row may lie nearer than one that is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MalformedInput
from safetycase.methods.identify import pooled, select_features
from safetycase.methods.stacks import widths_of
from safetycase.record.planned_axis import Axis
from safetycase.record.results import Neighbour
from safetycase.tables.evidence import Evidence

_SLACK = 1e-6
"""By how much cosines of float32 rows may be out of order."""


@dataclass(frozen=True, slots=True)
class Misnamed:
    """A neighbour that cannot be one of the nearest."""

    place: int
    """Its number within the axis, from 0."""
    expected: str
    found: str


def cosines(rows: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Cosine of every row with every other row, in float64; 0 with a row of zeros."""
    return _unit(rows) @ _unit(others).T


def _unit(rows: NDArray[Any]) -> NDArray[np.float64]:
    wide = np.asarray(rows, dtype=np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: NDArray[np.float64] = wide / np.where(lengths > 0, lengths, 1.0)
    return unit


def nearest(features: Sequence[int], similar: NDArray[np.float64], count: int) -> list[int]:
    """The `count` nearest of each feature, itself left out, largest cosine first.

    `similar` is [features, width]; ties go to the lower index.
    """
    named: list[int] = []
    for row, feature in zip(similar, features, strict=True):
        order = np.argsort(-row, kind="stable")
        named += [int(place) for place in order if place != feature][:count]
    return named


@dataclass(frozen=True)
class Neighbours:
    """The neighbours that an axis publishes, feature by feature in the order kept."""

    axis: Axis
    evidence: Evidence
    count: int
    """How many the plan asks for, for every kept feature."""

    @property
    def kept(self) -> list[int]:
        """The kept features, best first."""
        return [kept.feature for kept in select_features(self.axis, self.evidence).features]

    def _tensor(self, name: str) -> NDArray[Any]:
        return self.evidence.tensor(f"{self.axis.id}.{name}")

    def _published(self) -> tuple[list[int], NDArray[Any]]:
        """Indices [kept · count] and decoder rows; refused unless there are that many."""
        width = sum(widths_of(self.axis, self.evidence))
        wanted = len(self.kept) * min(self.count, width - 1)
        named, rows = self._tensor("neighbours"), self._tensor("neighbour_rows")
        if ((named < 0) | (named >= width)).any():
            where = f"tensor {self.axis.id}.neighbours"
            raise MalformedInput(where, f"indices from 0 to {width - 1}", found="another")
        if len(named) != wanted or len(rows) != wanted:
            where, expected = f"tensor {self.axis.id}.neighbours", f"{wanted} neighbours"
            raise MalformedInput(where, expected, found=f"{len(named)} of {len(rows)} rows")
        return [int(one) for one in named], rows

    def _groups(self) -> Iterator[tuple[int, range, NDArray[np.float64]]]:
        """Each kept feature, the places of its neighbours, and their cosines."""
        _, rows = self._published()
        columns = [int(one) for one in self._tensor("features")]
        own = self._tensor("w_dec")
        size = len(rows) // max(1, len(self.kept))
        for number, feature in enumerate(self.kept):
            places = range(number * size, (number + 1) * size)
            row = own[[columns.index(feature)]]
            yield feature, places, cosines(row, rows[places.start : places.stop])[0]

    def faults(self) -> Iterator[Misnamed]:
        """What cannot be among the nearest, or has two decoder rows in one case."""
        named, rows = self._published()
        for feature, places, found in self._groups():
            ids = [named[place] for place in places]
            yield from self._identity_faults(feature, places, ids, rows)
            yield from self._order_faults(feature, places, ids, found)

    def _identity_faults(
        self, feature: int, places: range, ids: list[int], rows: NDArray[Any]
    ) -> Iterator[Misnamed]:
        columns = [int(one) for one in self._tensor("features")]
        own = self._tensor("w_dec")
        for place, other in zip(places, ids, strict=True):
            if other == feature or ids.count(other) > 1:
                yield Misnamed(place, f"another feature than {feature}, once", str(other))
            elif other in columns and (own[columns.index(other)] != rows[place]).any():
                yield Misnamed(place, f"the decoder row of {other} in w_dec", "another")

    def _order_faults(
        self, feature: int, places: range, ids: list[int], found: NDArray[np.float64]
    ) -> Iterator[Misnamed]:
        columns = [int(one) for one in self._tensor("features")]
        own = self._tensor("w_dec")
        for place, step in zip(places[1:], np.diff(found), strict=True):
            if step > _SLACK:
                yield Misnamed(place, "the nearest first", f"a cosine larger by {step:.3g}")
        row = own[[columns.index(feature)]]
        least = found.min()
        for other, cosine in zip(columns, cosines(row, own)[0], strict=True):
            if other not in {feature, *ids} and cosine > least + _SLACK:
                expected = f"{other}, whose published row has a cosine of {cosine:.4g}"
                yield Misnamed(places[-1], expected, f"{least:.4g}")

    def results(self) -> tuple[Neighbour, ...]:
        """Cosine and co-firing of every named neighbour."""
        named, _ = self._published()
        fires = pooled(self.axis, self.evidence) > 0
        kept = set(self.kept)
        return tuple(
            Neighbour(
                feature=feature,
                neighbour=named[place],
                cosine=float(f"{cosine:.6g}") + 0.0,
                both=int((fires[:, feature] & fires[:, named[place]]).sum()),
                feature_alone=int((fires[:, feature] & ~fires[:, named[place]]).sum()),
                neighbour_alone=int((~fires[:, feature] & fires[:, named[place]]).sum()),
                kept=named[place] in kept,
            )
            for feature, places, found in self._groups()
            for place, cosine in zip(places, found.tolist(), strict=True)
        )
