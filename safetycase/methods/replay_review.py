"""Reviewers' statements of re-executions: what they say, whose word that is, which count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from safetycase import canonical
from safetycase.canonical import JsonValue
from safetycase.envelope.attestation import read_attestation
from safetycase.envelope.statement import REPLAY_PREDICATE
from safetycase.envelope.trust import SignatureReport, TrustedSigners
from safetycase.errors import MalformedInput
from safetycase.methods.replay import Published
from safetycase.methods.replay_result import LEVEL, in_words, recounted, redrawn
from safetycase.record.reading import read_as
from safetycase.record.replay import Replay, Sample

REVIEWER = "reviewer"
"""Role of those whose re-execution counts."""


@dataclass(frozen=True, slots=True)
class Review:
    """A statement of a re-execution, not judged yet."""

    name: str
    case_id: str
    """The case that it is about."""
    replay: Replay
    reviewers: tuple[str, ...]
    """Whose word it is, of those who may give it."""
    false_witnesses: tuple[str, ...]
    """What speaks against its signatures."""


@dataclass(frozen=True, slots=True)
class ReExecution:
    """A re-execution that counts: whose word it is, and what its samples show."""

    reviewers: tuple[str, ...]
    samples: tuple[Sample, ...]

    def beside(self, axis: str) -> str:
        """What stands beside the claim of an axis."""
        told = "; ".join(in_words(s) for s in self.samples if s.axis in {None, axis})
        level = f"{100 * LEVEL:.0f} %"
        return (
            f"Re-executed by {', '.join(self.reviewers)}: {told} (each at {level} confidence)."
        )


def read_replay(predicate: JsonValue, where: str) -> Replay:
    """The replay that a statement's predicate spells; refused unless its fields are those."""
    return read_as(Replay, canonical.write(predicate), where=where, expected="a replay")


def read_reviews(
    statements: Mapping[str, bytes],
    trust: TrustedSigners,
    case_signed: SignatureReport,
    *,
    at: datetime,
) -> tuple[Review, ...]:
    """The statements in these envelopes, by name; one that is malformed is refused."""
    reviews = []
    for name, data in statements.items():
        found = read_attestation(data, REPLAY_PREDICATE, trust=trust, at=at, name=name)
        reviews.append(
            Review(
                name,
                found.about,
                read_replay(found.predicate, name),
                found.counts_for(REVIEWER, trust, case_signed),
                tuple(found.false_witnesses(trust, case_signed)),
            )
        )
    return tuple(reviews)


def counting(
    reviews: Iterable[Review], published: Published, tensor_root: str
) -> tuple[ReExecution, ...]:
    """The reviews that bound something: of this case and these weights, of the rows drawn.

    Counted again. Rows that somebody picked, or left out, bound nothing, whatever they show.
    """
    found = []
    for review in reviews:
        if review.reviewers and review.case_id == published.case_id:
            samples = _counting_samples(review, published, tensor_root)
            if samples:
                found.append(ReExecution(review.reviewers, samples))
    return tuple(found)


def _counting_samples(
    review: Review, published: Published, tensor_root: str
) -> tuple[Sample, ...]:
    right = redrawn(published, tensor_root, review.replay)
    draws, wanted = (
        [(sample.axis, sample.population, sample.chosen) for sample in each.samples]
        for each in (review.replay, right)
    )
    if draws != wanted or review.replay.weights != right.weights:
        return ()
    try:
        return recounted(published, review.replay, review.name).samples
    except MalformedInput:
        return ()
