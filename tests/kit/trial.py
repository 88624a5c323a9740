"""An attack put before the verifier, as each character would."""

from __future__ import annotations

from functools import cache

from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome, Verdict
from tests.kit.builder import AT, KitCase, honest_case, policy
from tests.kit.register import ATTACKS, Attack
from tests.kit.seal import sealed, unsealed

NEVER_ANSWERED = frozenset({"ORD-001", "ORD-003", "GRD-001", "GRD-002"})
"""Checks without an answer in the toy's case: they ask for a third party's word, or for trials
of graders that its plan does not have."""


def tried(attack: Attack) -> Verdict:
    """What the verifier says of the attack, in the attack's own character."""
    return _verdict(attack, _made(attack.name))


def tried_as_outsider(attack: Attack) -> Verdict:
    """What it says of the same change under the honest signatures."""
    altered = _altered(attack.name)
    assert isinstance(altered, KitCase)
    return _verdict(attack, unsealed(altered, attack.base()))


def _verdict(attack: Attack, made: KitCase | bytes) -> Verdict:
    if isinstance(made, bytes):
        return verify(made, attack.policy(), at=attack.at)
    opened = None if attack.escrow is None else attack.escrow(made)
    return verify(made.to_bytes(), attack.policy(), at=attack.at, escrow=opened)


def _made(name: str) -> KitCase | bytes:
    attack, altered = ATTACKS[name], _altered(name)
    if isinstance(altered, bytes) or attack.character == "outsider" or attack.seals_itself:
        return altered
    return sealed(altered)


@cache
def _altered(name: str) -> KitCase | bytes:
    attack = ATTACKS[name]
    base = attack.base()
    altered = attack.alters(base)
    changed = altered != base.to_bytes() if isinstance(altered, bytes) else altered != base
    assert changed or attack.escrow is not None, f"{name} alters nothing"
    return altered


@cache
def honest_verdict() -> Verdict:
    """What the verifier says of the honest case."""
    return verify(honest_case().to_bytes(), policy(), at=AT)


@cache
def base_verdict(name: str) -> Verdict:
    """What the verifier says of the honest case that an attack alters."""
    attack = ATTACKS[name]
    return _verdict(attack, attack.base())


def failing(verdict: Verdict) -> frozenset[str]:
    """Ids of the checks that failed or crashed."""
    return frozenset(verdict.failing())


def unanswered(verdict: Verdict) -> frozenset[str]:
    """Ids of the checks that turned UNKNOWN, beyond those of every case."""
    outcomes = verdict.outcomes()
    unknown = {name for name, outcome in outcomes.items() if outcome is Outcome.UNKNOWN}
    return frozenset(unknown) - NEVER_ANSWERED
