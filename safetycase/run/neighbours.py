"""Decoder neighbours of the kept features: the nearest of all, and what fires with them."""

from __future__ import annotations

import numpy as np

from safetycase.methods.groups import (
    companions,
    cosines_name,
    group_members,
    ids_name,
    spelled_cosines,
)
from safetycase.methods.identify import select_features
from safetycase.methods.neighbours import cosines, nearest
from safetycase.record.planned_axis import Axis
from safetycase.run.lab import Lab

_ROWS_AT_ONCE = 4096


def find_neighbours(lab: Lab) -> None:
    """Indices and decoder rows of the nearest features stand in the notes, if planned."""
    plan, notes = lab.bench.plan, lab.notes
    if plan.geometry is None:
        return
    for axis in plan.axes:
        dictionary = lab.bench.dictionaries[axis.dictionary]
        kept = [each.feature for each in select_features(axis, notes.evidence()).features]
        own = dictionary.decoder_rows(kept)
        similar = np.concatenate(
            [
                cosines(own, dictionary.decoder_rows(range(start, min(end, dictionary.width))))
                for start in range(0, dictionary.width, _ROWS_AT_ONCE)
                for end in [start + _ROWS_AT_ONCE]
            ],
            axis=1,
        )
        named = nearest(kept, similar, plan.geometry.neighbours)
        notes.tensors[f"{axis.id}.neighbours"] = np.array(named, dtype=np.int64)
        notes.tensors[f"{axis.id}.neighbour_rows"] = dictionary.decoder_rows(named)


def find_groups(lab: Lab) -> None:
    """What fires with kept features stands in the notes with its cosine, if planned."""
    for axis in lab.bench.plan.axes:
        if axis.selection.groups is not None:
            _note_companions(lab, axis)
            found = {one.member for one in group_members(axis, lab.notes.evidence())}
            named = ", ".join(map(str, sorted(found))) or "none"
            lab.progress.note(f"{axis.id}: edited with the kept features: {named}")


def _note_companions(lab: Lab, axis: Axis) -> None:
    notes, dictionary = lab.notes, lab.bench.dictionaries[axis.dictionary]
    found = companions(axis, notes.evidence())
    parts = [np.empty(0)]
    for feature in dict.fromkeys(one.feature for one in found):
        others = [one.other for one in found if one.feature == feature]
        own = dictionary.decoder_rows([feature])
        for start in range(0, len(others), _ROWS_AT_ONCE):
            rows = dictionary.decoder_rows(others[start : start + _ROWS_AT_ONCE])
            parts.append(spelled_cosines(own, rows))
    notes.tensors[ids_name(axis)] = np.array([one.other for one in found], dtype=np.int64)
    notes.tensors[cosines_name(axis)] = np.concatenate(parts)
