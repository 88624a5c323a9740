# ruff: noqa: ANN001  # arguments are the fixtures of conftest.py
from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from safetycase.envelope import keys
from safetycase.envelope.keys import Algorithm, PublicKey
from safetycase.errors import KeyRefused

PRIME = 2**255 - 19
ORDER_8 = (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)


def point(y: int, sign: int = 0) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


@pytest.mark.parametrize(
    "raw",
    [point(1), point(PRIME - 1), point(0), point(0, 1)]
    + [bytes.fromhex(text) for text in ORDER_8]
    + [bytes.fromhex(text[:-2] + f"{int(text[-2:], 16) | 128:02x}") for text in ORDER_8],
)
def test_points_of_small_order_are_refused(raw: bytes) -> None:
    with pytest.raises(KeyRefused, match="a point of large order"):
        PublicKey(Algorithm.ED25519, raw)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (point(PRIME), "a canonical encoding"),
        (point(PRIME + 1), "a canonical encoding"),
        (point(PRIME + 3, 1), "a canonical encoding"),
        (point(2**255 - 1, 1), "a canonical encoding"),
        (point(1, 1), "a point of the curve"),
        (point(PRIME - 1, 1), "a point of the curve"),
        (point(2), "a point of the curve"),
        (b"", "32 bytes"),
        (bytes(31), "32 bytes"),
        (bytes(33), "32 bytes"),
    ],
)
def test_encodings_that_are_not_a_key_are_refused(raw: bytes, expected: str) -> None:
    with pytest.raises(KeyRefused, match=expected):
        PublicKey(Algorithm.ED25519, raw)


@given(st.binary(min_size=32, max_size=32))
def test_every_generated_key_is_accepted(seed: bytes) -> None:
    raw = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert PublicKey(Algorithm.ED25519, raw).raw == raw


def test_ml_dsa_keys_have_one_length() -> None:
    with pytest.raises(KeyRefused, match="1952 bytes"):
        PublicKey(Algorithm.ML_DSA_65, bytes(1312))


def test_keyid_is_the_digest_of_the_public_key_info(lab) -> None:
    ed25519, ml_dsa = lab.keys
    prefix = bytes.fromhex("302a300506032b6570032100")
    assert ed25519.keyid == hashlib.sha256(prefix + ed25519.raw).hexdigest()
    prefix = bytes.fromhex("308207b2300b0609608648016503040312038207a100")
    assert ml_dsa.keyid == hashlib.sha256(prefix + ml_dsa.raw).hexdigest()


def test_a_signature_is_of_one_key_message_algorithm_and_context(lab, stranger) -> None:
    ed25519, ml_dsa = lab.keys
    one, two = (signature.sig for signature in lab.sign(b"message"))
    assert ed25519.verifies(b"message", one)
    assert ml_dsa.verifies(b"message", two)
    assert not ed25519.verifies(b"message", two)
    assert not ml_dsa.verifies(b"message", one)
    assert not ed25519.verifies(b"other", one)
    assert not ml_dsa.verifies(b"other", two)
    assert not ed25519.verifies(b"message", one[:-1])
    assert not ed25519.verifies(b"message", b"")
    for key, sig in zip(stranger.keys, (one, two), strict=True):
        assert not key.verifies(b"message", sig)
    for context in (b"", b"safetycase/dsse/v2"):
        assert not ml_dsa.verifies(b"message", lab.sign(b"message", context)[1].sig)


@given(st.binary(min_size=32, max_size=32))
def test_what_the_arithmetic_says_of_a_point_is_what_a_generated_key_has(seed: bytes) -> None:
    """RFC 8032 §5.1.3 and §5.1.4: x is recovered, and a point doubled stays on the curve."""
    raw = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    encoded = int.from_bytes(raw, "little")
    y, sign = encoded & (1 << 255) - 1, encoded >> 255
    x = keys._recover_x(y, sign)
    assert x is not None
    assert x & 1 == sign
    for _ in range(3):
        assert (y * y - x * x - 1 - keys._D * x * x * y * y) % PRIME == 0
        x, y = keys._double(x, y)


def test_doubling_is_that_of_the_base_point() -> None:
    """2B of RFC 8032 §5.1, from the reference implementation of §6: x and y of B doubled."""
    y = 4 * pow(5, -1, PRIME) % PRIME
    x = keys._recover_x(y, 0)
    assert x == 15112221349535400772501151409588531511454012693041857206046113283949847762202
    twice = keys._double(x, y)
    assert twice == (
        24727413235106541002554574571675588834622768167397638456726423682521233608206,
        15549675580280190176352668710449542251549572066445060580507079593062643049417,
    )


def test_a_key_of_another_length_is_told_by_its_algorithm() -> None:
    for algorithm, length in ((Algorithm.ED25519, 31), (Algorithm.ML_DSA_65, 1951)):
        with pytest.raises(KeyRefused) as refusal:
            PublicKey(algorithm, bytes(length))
        assert refusal.value.where == f"{algorithm} key"
        assert refusal.value.found == f"{length} bytes"
    with pytest.raises(KeyRefused, match="ed25519 key: expected a point of the curve"):
        PublicKey(Algorithm.ED25519, point(2))
