"""What a reviewer who has the weights measured again: the predicate of a signed statement."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetycase.record.base import Count, Identifier, Record, Sha256, Share
from safetycase.record.case import Environment

NONCE_PATTERN = r"^[!-~]{16,128}$"

Nonce = Annotated[str, Field(pattern=NONCE_PATTERN)]
"""16 to 128 visible ASCII characters that nobody could foresee."""

Line = Annotated[int, Field(ge=2)]
"""Number of a line in a table's file; line 1 names the columns."""

AnswerTable = Literal["generations", "choices", "probes", "likelihoods"]


class RowPlace(Record):
    """A row of the case."""

    table: AnswerTable
    """Kind of the table: the row stands in evidence/<table>.jsonl."""
    line: Line
    """Number of its line, the header being 1."""


class Tolerance(Record):
    """How far figures may lie apart and still agree; fixed by the plan's number format."""

    log_probability: Annotated[float, Field(gt=0.0)]
    """Largest accepted difference of a log-probability, its median or mean, in nats."""
    relative: Annotated[float, Field(gt=0.0)]
    """Largest accepted difference of a norm as a share of it, and of a probe's score as a
    share of the mean norm of the residuals that the probe was made of."""


class ReplayedRow(Record):
    """A row measured again, beside the published one that it is compared with."""

    table: AnswerTable
    """Kind of the table."""
    line: Line
    """Number of the published row's line."""
    again: tuple[str | int | float | None, ...]
    """The row as measured again, in the table's columns, graded by the plan's grader."""
    differs: tuple[str, ...]
    """Columns that differ beyond the tolerance, in order; none: the row agrees."""
    largest: Annotated[float, Field(ge=0.0)]
    """Largest difference of a figure that has a tolerance, as a multiple of it; 1e6 at most."""
    first_word: Count | None = None
    """Number, from 0, of the first word of the text that differs; none if the texts agree."""


class Sample(Record):
    """Rows drawn from one population, and what they say of it."""

    axis: Identifier | None = None
    """None: all answer rows of the case. An axis: the rows behind its claim alone."""
    population: Annotated[int, Field(ge=1)]
    """Rows drawn from."""
    chosen: Annotated[tuple[RowPlace, ...], Field(min_length=1)]
    """Rows drawn, in the order of drawing."""
    differing: Count
    """Drawn rows that differ."""
    at_most: Count
    """Rows of the population that differ, at most, at the stated level."""


class Weights(Record):
    """What was measured with, by digests that the reviewer took of files at hand."""

    model: Sha256
    """Digest of the list of the model's files."""
    tensor_root: Sha256
    """Digest over the model's tensors as they were in memory."""
    dictionaries: dict[str, Sha256]
    """Digest of the list of each dictionary's files."""


class Replay(Record):
    """A re-execution of rows chosen by the reviewer's nonce and the case id."""

    nonce: Nonce
    """The reviewer's own; with the case id it fixes which rows are drawn."""
    rows: Annotated[int, Field(ge=1, le=3_000)]
    """Rows asked for from every population; a smaller population is measured whole."""
    level: Share
    """Level of every bound, one-sided."""
    tolerance: Tolerance
    """When figures agree."""
    weights: Weights
    """The model and the dictionaries."""
    environment: Environment
    """The reviewer's machine and the versions of the libraries and of this program."""
    samples: Annotated[tuple[Sample, ...], Field(min_length=1)]
    """One of the whole case, then one of each axis in plan order."""
    measured: Annotated[tuple[ReplayedRow, ...], Field(min_length=1)]
    """Every row that was drawn, once, in the order of the tables."""
