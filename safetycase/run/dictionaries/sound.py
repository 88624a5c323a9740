"""Whether the numbers of a dictionary can be what they are said to be, before it is used.

One read of every file: its digest is compared, and NaN refused, on the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from safetycase.errors import RunFailed
from safetycase.record.case import ModelFile
from safetycase.run.dictionaries.numbers import Numbers, digest_finite
from safetycase.run.dictionaries.specification import Source, Specification

UNIT_NORM_TOLERANCE = 0.01
ACAUSAL_TOLERANCE = 0.01
"""Largest share of a source's decoder norm that may lie before its own block."""
_ROWS_AT_ONCE = 4096


def require_sound(
    dictionary: Specification,
    files: Sequence[ModelFile],
    paths: Mapping[str, Path],
    *,
    where: str,
) -> None:
    """Return only if the files have these digests and their values can be a dictionary's.

    Refused: NaN and infinity; thresholds below zero, where the two readings of JumpReLU differ;
    decoder rows that are not of unit norm though the family says so (a transposed decoder has
    none, and a coefficient would not be a length); decoders to blocks before the feature's own.
    """
    for file in files:
        if file.role == "weights":
            _require_digest(paths[file.path], file, where)
    for threshold in _thresholds(dictionary):
        if (threshold.whole() < 0).any():
            found = str(threshold.whole().min())
            expected = "thresholds of at least 0"
            raise RunFailed(f"{where} {threshold.name}", expected, found=found)
    for number, source in enumerate(dictionary.sources):
        _require_causal(source, f"{where} source {number}")
    if dictionary.form.unit_rows:
        _require_unit_rows(dictionary.tensors["decoder"], where)


def _thresholds(dictionary: Specification) -> list[Numbers]:
    held = [dictionary.tensors.get("threshold"), *(s.threshold for s in dictionary.sources)]
    return [threshold for threshold in held if threshold is not None]


def _require_causal(source: Source, where: str) -> None:
    """Return only if next to nothing is decoded to blocks before the source's own.

    It would be cut off; and where there is much of it, the axis is not what it is taken for.
    """
    before, after = (
        sum(_square(part) for part in parts) for parts in (source.before, source.decoder)
    )
    share = (before / (before + after)) ** 0.5 if before else 0.0
    if share > ACAUSAL_TOLERANCE:
        expected = "decoders of nothing to blocks before the one that is read"
        raise RunFailed(f"{where} decoder", expected, found=f"{share:.3g} of their norm")


def _square(numbers: Numbers) -> float:
    total = 0.0
    for start in range(0, numbers.shape[0], _ROWS_AT_ONCE):
        rows = numbers.rows(range(start, min(start + _ROWS_AT_ONCE, numbers.shape[0])))
        total += float(np.square(rows, dtype=np.float64).sum())
    return total


def _require_digest(path: Path, file: ModelFile, where: str) -> None:
    found = digest_finite(path, name=file.path, where=where)
    if (found.size, found.sha256) != (file.size, file.sha256):
        raise RunFailed(
            f"{where} {file.path}",
            f"the bytes that the plan was fixed with, {file.sha256}",
            found=found.sha256,
            remedy="The file changed while the run was being set up.",
        )


def _require_unit_rows(decoder: Numbers, where: str) -> None:
    worst = 0.0
    for start in range(0, decoder.shape[0], _ROWS_AT_ONCE):
        rows = decoder.rows(range(start, min(start + _ROWS_AT_ONCE, decoder.shape[0])))
        worst = max(worst, float(np.abs(np.linalg.norm(rows, axis=1) - 1).max()))
    if worst > UNIT_NORM_TOLERANCE:
        expected = "decoder rows of unit norm (a transposed decoder has none)"
        raise RunFailed(f"{where} {decoder.name}", expected, found=f"off by {worst:.3g}")
