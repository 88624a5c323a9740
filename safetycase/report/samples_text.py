"""Drawn answers for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from safetycase.methods.figures_on_page import visible
from safetycase.methods.samples import Sample

_WIDTH = 100


def render_samples(samples: Sequence[Sample]) -> str:
    """The answers one after the other, each with its row, its input and its outcome."""
    head = f"{len(samples)} answers, drawn by the case id: nobody picked them."
    return "\n".join([head, *(line for sample in samples for line in _lines(sample))])


def _lines(sample: Sample) -> Iterator[str]:
    yield ""
    yield visible(f"{sample.evaluation} / {sample.arm} / {sample.item} ({sample.row})")
    for name in ("input", "output", "outcome"):
        text = " ".join(visible(getattr(sample, name)).split())
        yield textwrap.fill(
            f"{name:8}{text}", _WIDTH, initial_indent="  ", subsequent_indent=" " * 10
        )
