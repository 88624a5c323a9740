"""What a replay shows: counts, bounds and the sentence that stands beside a claim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from safetycase.errors import MalformedInput
from safetycase.methods.finite_population import least_bad, most_bad
from safetycase.methods.replay import (
    Published,
    compared,
    draw,
    row_of,
    tolerance_of,
)
from safetycase.record.case import Environment
from safetycase.record.replay import Replay, ReplayedRow, RowPlace, Sample, Weights
from safetycase.tables.rows import ANSWER_KINDS, AnswerRow

LEVEL = 0.95
"""Level of every bound: one draw in twenty may mislead."""

DEFAULT_ROWS = 59
"""Of a large population: if all agree, under 5 % are bad at 95 %; 299 give 1 %."""

ENOUGH = 0.05
"""Share of rows that may be bad at most for a population to count as measured again."""

Shown = Literal["enough", "too few", "contradicted"]

Draw = tuple[str | None, int, tuple[RowPlace, ...]]
"""An axis (none: the whole case), the size of its population, and the rows drawn from it."""


def chosen_rows(published: Published, nonce: str, asked: int) -> list[Draw]:
    """What is drawn from every population, that of the whole case first."""
    return [
        (None if axis is None else axis.id, *draw(published, axis, nonce, asked))
        for axis in (None, *published.plan.axes)
    ]


def in_table_order(places: Iterable[RowPlace]) -> list[RowPlace]:
    """Every place once, in the order of the tables and their lines."""
    return sorted(set(places), key=lambda place: (ANSWER_KINDS.index(place.table), place.line))


def replay_of(
    published: Published,
    nonce: str,
    asked: int,
    measured: Mapping[RowPlace, AnswerRow],
    *,
    environment: Environment,
    weights: Weights,
) -> Replay:
    """The predicate to sign: every chosen row compared, every count and bound derived."""
    chosen = chosen_rows(published, nonce, asked)
    places = in_table_order(place for _, _, drawn in chosen for place in drawn)
    rows = [compared(published, place, measured[place]) for place in places]
    return Replay(
        nonce=nonce,
        rows=asked,
        level=LEVEL,
        tolerance=tolerance_of(published.plan),
        weights=weights,
        environment=environment,
        samples=tuple(_samples(chosen, rows)),
        measured=tuple(rows),
    )


def redrawn(published: Published, tensor_root: str, replay: Replay) -> Replay:
    """The statement with the weights of the case, and the rows that its nonce draws there.

    Counts and bounds of the samples are left at 0.
    """
    plan = published.plan
    weights = Weights(
        model=plan.model.manifest_digest,
        tensor_root=tensor_root,
        dictionaries={each.id: each.manifest_digest for each in plan.dictionaries},
    )
    samples = tuple(
        Sample(axis=axis, population=size, chosen=chosen, differing=0, at_most=0)
        for axis, size, chosen in chosen_rows(published, replay.nonce, replay.rows)
    )
    return replay.model_copy(update={"weights": weights, "samples": samples})


def recounted(published: Published, replay: Replay, where: str) -> Replay:
    """The statement with every row compared again, and counts and bounds of its own draws.

    Refused with MalformedInput if a drawn row is missing, if others are listed, or if the
    values of one are not a row of its table.
    """
    drawn = in_table_order(place for sample in replay.samples for place in sample.chosen)
    listed = [RowPlace(table=row.table, line=row.line) for row in replay.measured]
    if listed != drawn:
        raise MalformedInput(
            f"{where}/measured",
            f"the {len(drawn)} drawn rows, once each, in table order",
            found=f"{len(listed)} rows, {len(set(drawn) - set(listed))} of the drawn missing",
        )
    rows = tuple(
        compared(
            published,
            place,
            row_of(place.table, row.again, where=f"{where}/measured/{number}/again"),
        )
        for number, (place, row) in enumerate(zip(drawn, replay.measured, strict=True))
    )
    draws = [(each.axis, each.population, each.chosen) for each in replay.samples]
    return replay.model_copy(
        update={
            "level": LEVEL,
            "tolerance": tolerance_of(published.plan),
            "samples": tuple(_samples(draws, rows)),
            "measured": rows,
        }
    )


def _samples(draws: Iterable[Draw], rows: Sequence[ReplayedRow]) -> Iterator[Sample]:
    differing = {RowPlace(table=row.table, line=row.line): bool(row.differs) for row in rows}
    for axis, population, drawn in draws:
        seen = sum(differing[place] for place in drawn)
        yield Sample(
            axis=axis,
            population=population,
            chosen=drawn,
            differing=seen,
            at_most=most_bad(seen, len(drawn), population, LEVEL),
        )


def shown_by(sample: Sample) -> Shown:
    """What a sample allows to say of its population, at the level.

    `enough`: at most 5 % of its rows differ. `contradicted`: more than 5 % do. `too few`:
    neither can be said; more rows are to be measured.
    """
    drawn, limit = len(sample.chosen), ENOUGH * sample.population
    if most_bad(sample.differing, drawn, sample.population, LEVEL) <= limit:
        return "enough"
    if least_bad(sample.differing, drawn, sample.population, LEVEL) > limit:
        return "contradicted"
    return "too few"


def in_words(sample: Sample) -> str:
    """What was drawn, what differs, and the bounds, rounded away from each other."""
    drawn = len(sample.chosen)
    whole = "all" if sample.axis is None else "the"
    kind = "rows of the case" if sample.axis is None else "rows behind this claim"
    seen = f"{sample.differing or 'none'} differ{'s' if sample.differing < 2 else ''}"
    if drawn == sample.population:
        return f"of {whole} {drawn:,} {kind}, all measured again, {seen}"
    most = f"at most {-(-1000 * sample.at_most // sample.population) / 10:.1f} %"
    least = least_bad(sample.differing, drawn, sample.population, LEVEL)
    if least:
        most = f"at least {1000 * least // sample.population / 10:.1f} % and {most}"
    return (
        f"of {drawn} drawn from {whole} {sample.population:,} {kind}, {seen}: {most} of them do"
    )
