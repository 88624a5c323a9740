"""The features whose decoder rows lie nearest to the kept ones', from the whole decoder."""

from __future__ import annotations

import numpy as np

from safetycase.methods.identify import select_features
from safetycase.methods.neighbours import cosines, nearest
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
