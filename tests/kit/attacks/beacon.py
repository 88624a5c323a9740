"""Attacks on the value that a plan waits for, by developers who sign the case."""

from __future__ import annotations

from collections.abc import Callable

from safetycase.digest import sha256_hex
from safetycase.record.randomness import Randomness
from tests.kit.builder import KitCase, build_case, edit_record, remove_from_record
from tests.kit.register import Alters, attack, needing
from tests.kit.toy_beacon import ToyBeacon
from tests.kit.toy_order import (
    BEACON,
    ROUND,
    STAMP,
    awaiting_plan,
    round_of,
    stamped_case,
    trusts_all,
    witnessed_case,
)

_ASK_NO_DRAW = {
    "ENC-004", "ENC-005", "EVI-002", "FEA-009", "FOR-002", "FOR-005", "GOV-004", "GRD-001",
    "GRD-004", "GRD-006", "INT-004", "RED-001", "RED-002", "RED-003", "RED-004", "REN-003",
    "REP-002", "REP-003", "SCH-007",
}  # fmt: skip
WITHOUT_A_SEED = needing("rows", "tensors") - _ASK_NO_DRAW | {"ORD-001"}
"""Checks that read rows and need to know what was drawn."""

_OTHER_DOMAIN = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_"

Base = Callable[[], KitCase]


def insider(
    *checks: str, base: Base = stamped_case, unknown: frozenset[str] = frozenset()
) -> Callable[[Alters], Alters]:
    """Register an attack by the developer, who signs what comes of it."""
    return attack("beacon", "insider", refused_by=checks, unknown=unknown,
                  base=base, under=trusts_all)  # fmt: skip


def _measured_by(case: KitCase, value: Randomness) -> KitCase:
    """The toy measured by another value under the same stamped plan, all of it consistent."""
    other = build_case(awaiting_plan(), value=value, signed=False)
    return other.with_members({STAMP: case.members[STAMP]})


def _signed(signature: bytes) -> Randomness:
    return Randomness(value=sha256_hex(signature), signature=signature.hex())


@insider("ORD-001")
def another_round(case: KitCase) -> KitCase:
    """Draw by the round before the one that the plan waits for.

    Of all rounds so far, that is taken whose draws please.
    """
    return _measured_by(case, round_of(number=ROUND - 1))


@insider("ORD-001")
def round_of_another_beacon(case: KitCase) -> KitCase:
    """Draw by the right round of a beacon of one's own.

    Whoever holds a beacon's key knows all of its rounds.
    """
    return _measured_by(case, round_of(ToyBeacon("another")))


@insider("ORD-001")
def round_signed_for_something_else(case: KitCase) -> KitCase:
    """Draw by what the beacon has signed under another domain.

    Another protocol of the same key gives other values to choose from.
    """
    return _measured_by(case, _signed(BEACON.sign(ROUND, _OTHER_DOMAIN)))


@insider("ORD-001")
def round_that_is_the_identity(case: KitCase) -> KitCase:
    """Draw by the point at infinity, which lenient pairings accept from everybody.

    The value is known to all, long before the plan.
    """
    return _measured_by(case, _signed(bytes([0xC0]) + bytes(47)))


@insider("ORD-001")
def run_before_the_round(case: KitCase) -> KitCase:
    """Let the record say that the run began before the round was public.

    What was measured before the draw is shown as measured after it.
    """
    return edit_record(case, "/times/started", "2026-11-22T09:29:59Z")


@insider("ORD-001", "ORD-004")
def signature_of_another_round(case: KitCase) -> KitCase:
    """Keep the value, and state the signature of another round beside it.

    The value stays what it is, whatever is said of where it came from.
    """
    return edit_record(case, "/randomness/signature", BEACON.sign(ROUND + 1).hex())


@insider("ORD-001", "ORD-004")
def round_without_its_signature(case: KitCase) -> KitCase:
    """Leave the signature of the round out.

    Any value passes for the beacon's.
    """
    return remove_from_record(case, "/randomness/signature")


@insider("ORD-004", base=witnessed_case)
def nonce_with_a_signature(case: KitCase) -> KitCase:
    """State a beacon's signature beside a witness's nonce.

    A reader takes the value for the beacon's.
    """
    return edit_record(case, "/randomness/signature", BEACON.sign(ROUND).hex())


@insider("ORD-004", base=witnessed_case, unknown=WITHOUT_A_SEED)
def value_not_stated(case: KitCase) -> KitCase:
    """Leave out the value that the plan waits for.

    What cannot be drawn again cannot be found wrong.
    """
    return remove_from_record(case, "/randomness")


@attack("beacon", "insider", refused_by=("ORD-004",))
def value_that_nobody_awaits(case: KitCase) -> KitCase:
    """State a value though the plan waits for none.

    A reader takes seeds for unpickable that follow from the plan alone.
    """
    return edit_record(case, "/randomness", {"value": "0" * 64})
