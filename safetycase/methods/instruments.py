"""Tests of the measuring instruments: what they ask, and the bounds they must keep.

The bounds are fixed here, not in a plan: an instrument that fails them measures something
else. The first three are asked once, of the model; the others of every dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from safetycase.errors import MethodRefused

MODEL = "model"
"""The subject of a test that concerns the model alone."""

FIT_PROMPTS = 64
"""Discovery prompts on which a dictionary's L0 and FVU are measured, at most."""

L0_FACTOR = 3.0
FVU_CEILING = 0.5
PARITY_CEILING = {"float32": 1e-3, "bfloat16": 5e-2}
"""Largest accepted change of a logit, as a share of the largest logit, by number format."""


@dataclass(frozen=True)
class InstrumentTest:
    """A question to the instruments, and the values that answer it well."""

    id: str
    subject: str
    question: str
    at_least: float | None
    at_most: float | None

    def keeps(self, value: float) -> bool:
        """Whether a measured value lies within the bounds."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )


def required_tests(dtype: str, declared_l0: Mapping[str, float]) -> list[InstrumentTest]:
    """Every test that a run must have passed; `declared_l0` names the dictionaries.

    Bounds of L0 are rounded to six significant digits, as the runner writes them. Refused: a
    number format without a bound.
    """
    if dtype not in PARITY_CEILING:
        raise MethodRefused("instrument tests", "a known number format", found=dtype)
    parity = PARITY_CEILING[dtype]
    tests = [
        InstrumentTest(
            "hook_identity",
            MODEL,
            "Does writing every block's own output back leave every logit as it is?",
            None,
            0.0,
        ),
        InstrumentTest(
            "zero_dose_identity",
            MODEL,
            "Does an edit of dose zero leave every logit as it is?",
            None,
            0.0,
        ),
        InstrumentTest(
            "batch_parity",
            MODEL,
            "Do rows of a padded batch of several arms get the logits they get alone?",
            None,
            parity,
        ),
    ]
    for name, declared in declared_l0.items():
        tests += _dictionary_tests(name, declared, parity)
    return tests


def _dictionary_tests(name: str, declared: float, parity: float) -> list[InstrumentTest]:
    return [
        InstrumentTest(
            "error_term_identity",
            name,
            "Do reconstruction and its error together leave the logits as they are?",
            None,
            parity,
        ),
        InstrumentTest(
            "dictionary_l0",
            name,
            "Is the mean number of active features a token within a factor of three of what "
            "the dictionary declares?",
            float(f"{declared / L0_FACTOR:.6g}"),
            float(f"{declared * L0_FACTOR:.6g}"),
        ),
        InstrumentTest(
            "dictionary_fvu",
            name,
            "Does the dictionary explain at least half of the variance of the residuals?",
            None,
            FVU_CEILING,
        ),
    ]


STORED_CEILING = 0.05
"""Largest accepted median relative error of stored activations: bfloat16 has eight bits."""


def skip_test(name: str) -> InstrumentTest:
    """Asked where there is a skip term; the value is FVU as read over FVU turned round."""
    return InstrumentTest(
        "skip_orientation",
        name,
        "Does the skip term as it lies in the file explain more than the same term transposed?",
        None,
        1.0,
    )


def stored_test(name: str) -> InstrumentTest:
    """Asked of a dictionary with examples.safetensors; the value is a median relative error."""
    return InstrumentTest(
        "stored_activations",
        name,
        "Do its makers' stored activations come out again at the same tokens?",
        None,
        STORED_CEILING,
    )
