"""A beacon's value comes from its own signature over that round, and from nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_arkworks_bls12381 import G1Point, G2Point

from safetycase.envelope.beacon import MAX_ROUND, QUICKNET, Beacon, value_of
from safetycase.errors import (
    ExtraMissing,
    KeyRefused,
    MalformedInput,
    ProofRefused,
    SafetyCaseError,
    SchemaViolation,
)
from tests.kit.toy_beacon import ToyBeacon

SIGNATURE = bytes.fromhex(
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125"
    "e342b73a8dd2bacbe47e4b6b63ed5e39"
)
LATER = bytes.fromhex(
    "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be"
    "41076862b98fad56e91a6b85b89cd97b"
)
REAL = (
    (1000, SIGNATURE, "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"),
    (657413, LATER, "fc1873a13f3545aeade8401532ef5519920652eee6b0d2b19ca12643b87b3587"),
)
"""Rounds of quicknet as its operators published them, with the values they state."""

PRIME = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624"
    "1eabfffeb153ffffb9feffffffffaaab",
    16,
)
TOY = ToyBeacon()


def _with_flags(x: int, flags: int = 0x80) -> bytes:
    return (x | flags << 376).to_bytes(48, "big")


@pytest.mark.parametrize(("number", "signature", "value"), REAL)
def test_a_published_round_has_its_published_value(
    number: int, signature: bytes, value: str
) -> None:
    assert value_of(QUICKNET, number, signature, where="round") == value


def test_the_chain_hash_is_of_these_parameters() -> None:
    """Info.Hash of drand/common/chain: period, genesis, key, group hash, name of the chain."""
    group = "f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e"
    numbers = struct.pack(">Iq", QUICKNET.period, QUICKNET.genesis)
    spelled = numbers + QUICKNET.public_key + bytes.fromhex(group) + b"quicknet"
    assert hashlib.sha256(spelled).hexdigest() == QUICKNET.chain


def test_rounds_have_their_times() -> None:
    assert QUICKNET.time_of(1) == datetime(2023, 8, 23, 15, 9, 27, tzinfo=UTC)
    assert QUICKNET.time_of(1000) == datetime(2023, 8, 23, 15, 59, 24, tzinfo=UTC)
    assert TOY.beacon.time_of(21) == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("number", [0, -1, MAX_ROUND + 1, 10**40, True, 1.0, "1", None])
def test_what_is_no_round_is_refused(number: object) -> None:
    with pytest.raises(MalformedInput, match="an integer from 1 to 2⁶⁴ - 1"):
        QUICKNET.time_of(number)  # type: ignore[arg-type]
    with pytest.raises(MalformedInput, match="an integer from 1 to 2⁶⁴ - 1"):
        value_of(QUICKNET, number, SIGNATURE, where="round")  # type: ignore[arg-type]


def test_the_last_rounds_have_values_but_no_times() -> None:
    assert value_of(TOY.beacon, MAX_ROUND, TOY.sign(MAX_ROUND), where="round")
    with pytest.raises(MalformedInput, match="before the year 10000"):
        TOY.beacon.time_of(MAX_ROUND)


def test_a_toy_round_has_the_value_of_its_signature() -> None:
    signature = TOY.sign(7)
    value = value_of(TOY.beacon, 7, signature, where="round")
    assert value == hashlib.sha256(signature).hexdigest()


def test_another_round_is_refused() -> None:
    with pytest.raises(ProofRefused, match="beacon quicknet over round 1001") as refused:
        value_of(QUICKNET, 1001, SIGNATURE, where="evidence#/beacon")
    assert refused.value.where == "evidence#/beacon"


def test_another_chain_is_refused() -> None:
    with pytest.raises(ProofRefused):
        value_of(TOY.beacon, 1000, SIGNATURE, where="round")
    with pytest.raises(ProofRefused):
        value_of(ToyBeacon("other").beacon, 7, TOY.sign(7), where="round")


def test_a_signature_for_another_use_is_refused() -> None:
    """The same key over the same bytes, under the domain of signatures in G2."""
    signature = TOY.sign(7, domain=b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_")
    with pytest.raises(ProofRefused):
        value_of(TOY.beacon, 7, signature, where="round")


def test_the_negative_of_a_signature_is_refused() -> None:
    negative = (-G1Point.from_compressed_bytes(SIGNATURE)).to_compressed_bytes()
    assert negative == bytes([SIGNATURE[0] ^ 0x20]) + SIGNATURE[1:]
    with pytest.raises(ProofRefused):
        value_of(QUICKNET, 1000, negative, where="round")


@pytest.mark.parametrize(
    "identity",
    [_with_flags(0, 0xC0), _with_flags(0, 0xE0), _with_flags(1, 0xC0)],
    ids=["identity", "with a sign", "with other bits"],
)
def test_the_identity_is_refused_in_every_spelling(identity: bytes) -> None:
    assert G1Point.from_compressed_bytes(identity) == G1Point.identity()
    with pytest.raises(MalformedInput, match="found the identity"):
        value_of(QUICKNET, 1000, identity, where="round")


@pytest.mark.parametrize(
    "signature",
    [b"", SIGNATURE[:-1], SIGNATURE + b"\0", bytes([SIGNATURE[0] & 0x7F]) + SIGNATURE[1:],
     G1Point.from_compressed_bytes(SIGNATURE).to_xy_bytes_be()],
    ids=["empty", "short", "long", "not compressed", "both coordinates"],
)  # fmt: skip
def test_another_form_is_refused(signature: bytes) -> None:
    with pytest.raises(MalformedInput, match="a compressed point of G1"):
        value_of(QUICKNET, 1000, signature, where="round")


def test_a_point_outside_the_subgroup_is_refused() -> None:
    outside = _with_flags(4)
    assert not G1Point.from_compressed_bytes_unchecked(outside).is_in_subgroup()
    with pytest.raises(MalformedInput, match="a point of G1's subgroup"):
        value_of(QUICKNET, 1000, outside, where="round")


@pytest.mark.parametrize("x", [1, PRIME, PRIME + 4, 2**381 - 1])
def test_no_point_and_an_x_that_is_not_reduced_are_refused(x: int) -> None:
    with pytest.raises(MalformedInput, match="x reduced"):
        value_of(QUICKNET, 1000, _with_flags(x), where="round")


def _outside_g2() -> bytes:
    """The first point of the curve over F_p² with a real x: hardly ever in the subgroup."""
    for x in range(100):
        encoded = bytes([0x80]) + x.to_bytes(95, "big")
        try:
            point = G2Point.from_compressed_bytes_unchecked(encoded)
        except ValueError:
            continue
        assert not point.is_in_subgroup()
        return encoded
    raise AssertionError


@pytest.mark.parametrize(
    "key", [_outside_g2(), b"\x80" + b"\xff" * 95], ids=["outside", "not reduced"]
)
def test_a_key_outside_the_subgroup_is_refused(key: bytes) -> None:
    unsound = dataclasses.replace(QUICKNET, public_key=key)
    with pytest.raises(KeyRefused, match="beacon quicknet: expected a point of G2's subgroup"):
        value_of(unsound, 1000, SIGNATURE, where="round")


@pytest.mark.parametrize(
    "key",
    [b"", QUICKNET.public_key[:-1], SIGNATURE, b"\xc0" + bytes(95), b"\0" + bytes(95)],
    ids=["empty", "short", "of G1", "identity", "not compressed"],
)
def test_a_key_of_another_form_makes_no_beacon(key: bytes) -> None:
    with pytest.raises(KeyRefused, match="a compressed point of G2"):
        dataclasses.replace(QUICKNET, public_key=key)


@pytest.mark.parametrize(
    ("field", "value"),
    [("chain", QUICKNET.chain.upper()), ("chain", QUICKNET.chain + "\n"), ("chain", ""),
     ("genesis", -1), ("genesis", 0.5), ("period", 0), ("period", True)],
)  # fmt: skip
def test_parameters_out_of_shape_make_no_beacon(field: str, value: object) -> None:
    changed = dataclasses.asdict(QUICKNET) | {field: value}
    with pytest.raises(SchemaViolation, match=field):
        Beacon(**changed)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py_arkworks_bls12381", None)
    with pytest.raises(ExtraMissing, match=r'pip install "safetycase\[time\]"') as missing:
        value_of(QUICKNET, 1000, SIGNATURE, where="round")
    assert missing.value.extra == "time"


@settings(max_examples=300, deadline=None)
@given(flip=st.integers(0, 48 * 8 - 1))
def test_no_flipped_bit_is_accepted(flip: int) -> None:
    changed = (int.from_bytes(SIGNATURE, "big") ^ 1 << flip).to_bytes(48, "big")
    with pytest.raises(SafetyCaseError):
        value_of(QUICKNET, 1000, changed, where="round")
