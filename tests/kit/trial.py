"""An attack put before the verifier, as each character would."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome, Verdict
from safetycase.verify.policy import Policy
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


def base_verdict(attack: Attack) -> Verdict:
    """What the verifier says of the honest case that an attack alters."""
    if attack.escrow is not None:
        return _verdict(attack, attack.base())
    return _said_of(attack.base, attack.policy, attack.at)


@cache
def _said_of(base: Callable[[], KitCase], under: Callable[[], Policy], at: str) -> Verdict:
    return verify(base().to_bytes(), under(), at=at)


def failing(verdict: Verdict) -> frozenset[str]:
    """Ids of the checks that failed or crashed."""
    return frozenset(verdict.failing())


def unknown(verdict: Verdict) -> frozenset[str]:
    """Ids of the checks without an answer."""
    outcomes = verdict.outcomes()
    return frozenset(name for name, said in outcomes.items() if said is Outcome.UNKNOWN)


def turned_unknown(attack: Attack, verdict: Verdict) -> frozenset[str]:
    """Ids of the checks that have an answer of the honest case, and none of this one."""
    return unknown(verdict) - unknown(base_verdict(attack))


def must_turn_unknown(attack: Attack) -> frozenset[str]:
    """Those that the attack declares, less those that have no answer of the honest case."""
    return attack.unknown - unknown(base_verdict(attack))
