"""The words of the report, explained by the sentences that stand at the record's own fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from safetycase.record.base import Record
from safetycase.record.control_tests import ControlTest
from safetycase.record.doses import DosePoint, DoseResponse
from safetycase.record.identification import Identification, LabelScore, SelectedFeature
from safetycase.record.results import (
    Arm,
    Claim,
    Comparison,
    Condition,
    Rate,
)
from safetycase.record.sentences import sentences
from safetycase.report.words import ROLE_MEANINGS, ROLE_NAMES, in_words, plain
from safetycase.verify.outcome import TIER_MEANINGS

_PARTS = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MODELS: tuple[type[Record], ...] = (
    Rate,
    Comparison,
    ControlTest,
    Identification,
    SelectedFeature,
    LabelScore,
    DoseResponse,
    DosePoint,
    Arm,
    Condition,
    Claim,
)


@dataclass(frozen=True, slots=True)
class Term:
    """A word and its sentence."""

    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """Words that belong together."""

    title: str
    sentence: str
    code: str
    """Where the code is."""
    terms: tuple[Term, ...]


def glossary() -> tuple[Chapter, ...]:
    """Tiers, arms, then every part of the results with its fields."""
    return (
        Chapter(
            "Tiers",
            "How far a claim holds, least first.",
            "safetycase/verify/outcome.py",
            tuple(Term(word, text) for word, text in TIER_MEANINGS.items()),
        ),
        Chapter(
            "Arms",
            "Conditions under which the same items were answered.",
            "safetycase/methods/arms.py",
            tuple(Term(ROLE_NAMES[role], text) for role, text in ROLE_MEANINGS.items()),
        ),
        *_chapters(),
    )


def _chapters() -> Iterator[Chapter]:
    for model in _MODELS:
        said = sentences(model)
        yield Chapter(
            _PARTS.sub(" ", model.__name__).capitalize(),
            plain((model.__doc__ or "").strip().partition("\n")[0]),
            "safetycase/record/results.py",
            tuple(
                Term(in_words(name), plain(said.get(name, ""))) for name in model.model_fields
            ),
        )
