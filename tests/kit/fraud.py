"""The register of frauds: whole stories of a dishonest developer, and how far each gets.

A function decorated with `fraud` is one story: its docstring tells it, its result is the case
that the developer signs. Told honestly, there are five ends:

* refused: some check fails (exit 1), named in `by`;
* undecided: a required check has no answer (exit 3), named in `by`;
* weaker words: the case verifies, and the computed sentence does not say what was wished;
* held below sound: nothing in the bytes tells; a third party's time on the plan would;
* held below reproduced: nor would that. Only the weights, or the data set's owner, can tell;
* sound all the same: the third party was there, and was used.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from safetycase.verify.engine import verify
from safetycase.verify.outcome import Verdict
from safetycase.verify.policy import Policy
from tests.kit.builder import AT, KitCase
from tests.kit.cases import lenient
from tests.kit.seal import STATEMENT, sealed

End = Literal[
    "refused",
    "undecided",
    "weaker words",
    "held below sound",
    "held below reproduced",
    "sound all the same",
]
ENDS: tuple[End, ...] = (
    "refused",
    "undecided",
    "weaker words",
    "held below sound",
    "held below reproduced",
    "sound all the same",
)
CAUGHT: tuple[End, ...] = ("refused", "undecided", "weaker words")
"""Ends at which the verifier alone, from the bytes, keeps the fraud from its aim."""

FRAUDS: dict[str, Fraud] = {}
"""Every fraud by name, in the order of the file."""


@dataclass(frozen=True)
class Fraud:
    """One story and its end."""

    name: str
    story: str
    end: End
    by: frozenset[str]
    """Ids of checks that must be among those that fail, or that have no answer."""
    wording: str
    """How the sentence of the first claim begins or what it contains, where that is the end."""
    tells: Callable[[], KitCase] = field(repr=False)
    policy: Callable[[], Policy] = field(repr=False)

    def verdict(self) -> Verdict:
        """What the verifier says, under signatures of the right key."""
        case = self.tells()
        signed = case if STATEMENT in case.members else sealed(case)
        return verify(signed.to_bytes(), self.policy(), at=AT)


def fraud(
    end: End,
    *,
    by: Collection[str] = (),
    wording: str = "",
    under: Callable[[], Policy] = lenient,
) -> Callable[[Callable[[], KitCase]], Callable[[], KitCase]]:
    """Register a story, and the end it must come to."""

    def register(function: Callable[[], KitCase]) -> Callable[[], KitCase]:
        name = function.__name__.replace("_", "-")
        if name in FRAUDS or not function.__doc__:
            raise ValueError(f"{name}: told once, in a docstring")
        story = " ".join(inspect.cleandoc(function.__doc__).split())
        tells = cache(function)
        FRAUDS[name] = Fraud(name, story, end, frozenset(by), wording, tells, under)
        return function

    return register


def all_frauds() -> dict[str, Fraud]:
    """Every fraud by name, after the stories have been imported."""
    from tests.kit import frauds  # noqa: PLC0415 — the stories import this module

    return {name: FRAUDS[name] for name in FRAUDS if frauds.__name__}
