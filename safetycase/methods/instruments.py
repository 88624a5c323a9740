"""Tests of the measuring instruments: which there are, and the bounds they must keep.

The bounds are fixed here, not in a plan: an instrument that fails them measures something
else. Runner and verifier read them from the same lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

TestId = Literal[
    "hook_identity",
    "error_term_identity",
    "zero_dose_identity",
    "batch_parity",
    "dictionary_l0",
    "dictionary_fvu",
]

MODEL = "model"
"""The subject of a test that concerns no dictionary."""


@dataclass(frozen=True)
class Bound:
    """A question to the instruments, and the values that answer it well."""

    question: str
    at_least: float | None
    at_most: float | None

    def keeps(self, value: float) -> bool:
        """Whether a measured value lies within the bound."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )


MODEL_TESTS: Mapping[TestId, Bound] = {
    "batch_parity": Bound(
        "Largest absolute difference of a log-probability between one prompt alone and in a "
        "full batch, in nats.",
        None,
        1e-3,
    ),
}
DICTIONARY_TESTS: Mapping[TestId, Bound] = {
    "hook_identity": Bound(
        "Largest absolute change of a logit when the hook writes back what it read.", None, 0.0
    ),
    "error_term_identity": Bound(
        "Largest ‖h - (decode(encode(h)) + error)‖ / ‖h‖ when the error term is added back.",
        None,
        1e-5,
    ),
    "zero_dose_identity": Bound(
        "Largest absolute change of a logit when the edit is added with coefficient 0.",
        None,
        0.0,
    ),
    "dictionary_l0": Bound(
        "Mean number of active features per token on this model, as a multiple of the number "
        "that the dictionary's config.json declares.",
        0.5,
        2.0,
    ),
    "dictionary_fvu": Bound(
        "Share of the activations' variance that the reconstruction leaves unexplained.",
        None,
        0.5,
    ),
}


def required_tests(dictionaries: Iterable[str]) -> list[tuple[TestId, str, Bound]]:
    """Every test that a run must have passed, with its subject: the model's, then by dictionary."""
    tests = [(name, MODEL, bound) for name, bound in MODEL_TESTS.items()]
    for dictionary in dictionaries:
        tests += [(name, dictionary, bound) for name, bound in DICTIONARY_TESTS.items()]
    return tests
