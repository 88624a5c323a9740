"""A withheld cell is opened by its own salt, value and place, and by nothing else."""

from __future__ import annotations

import hashlib
import hmac
import math

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from safetycase.digest.merkle import root
from safetycase.errors import MalformedInput
from safetycase.tables.commitment import (
    SECRET_BYTES,
    Cell,
    cell_salt,
    coarse,
    column_key,
    commitment,
    keyed_id,
    leaves,
    salt_key,
)

SECRET = bytes(range(SECRET_BYTES))
KEY = column_key(SECRET, "generations", "output")
PLACE = ("generations", "output")


def _framed(text: str) -> bytes:
    return len(text).to_bytes(8, "big") + text.encode()


def test_the_key_of_a_column_is_hkdf() -> None:
    info = b"safetycase.column.v1\x00" + _framed("generations") + _framed("output")
    assert HKDF(SHA256(), 32, None, info).derive(SECRET) == KEY


@pytest.mark.parametrize(
    ("value", "kind", "data"),
    [
        ("é", "text", "é".encode()),
        (None, "absent", b""),
        (b"\x00", "bytes", b"\x00"),
        (1.0, "json", b"1.0"),
        (1, "json", b"1"),
        (True, "json", b"true"),
    ],
)
def test_a_commitment_is_spelled_out(value: Cell, kind: str, data: bytes) -> None:
    salt = cell_salt(KEY, 3)
    tag = f"generations\x00output\x00{kind}".encode()
    spelled = b"\x02" + salt + len(tag).to_bytes(4, "big") + tag + len(data).to_bytes(8, "big")
    assert commitment(salt, *PLACE, value) == hashlib.sha256(spelled + data).digest()


Place = tuple[int, str, str, str | int | None]
CELLS = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["generations", "items"]),
    st.sampled_from(["output", "prompt"]),
    st.none() | st.integers(0, 2) | st.text(max_size=4),
)


def _committed(cell: Place) -> bytes:
    row, table, column, value = cell
    return commitment(cell_salt(column_key(SECRET, table, column), row), table, column, value)


@given(CELLS, CELLS)
def test_a_commitment_opens_at_one_place_to_one_value(one: Place, other: Place) -> None:
    assert (_committed(one) == _committed(other)) == (one == other)


def test_what_is_absent_is_not_an_empty_text() -> None:
    salt = cell_salt(KEY, 0)
    assert commitment(salt, *PLACE, None) != commitment(salt, *PLACE, "")


def test_tag_and_text_cannot_be_moved_into_each_other() -> None:
    salt = cell_salt(KEY, 0)
    assert commitment(salt, "ab", "c", "d") != commitment(salt, "a", "bc", "d")
    assert commitment(salt, "a", "b", "cd") != commitment(salt, "a", "bc", "d")


def test_another_normal_form_is_another_text() -> None:
    salt = cell_salt(KEY, 0)
    assert commitment(salt, *PLACE, "é") != commitment(salt, *PLACE, "e\u0301")


def test_one_text_twice_has_two_commitments() -> None:
    first, second = (commitment(cell_salt(KEY, row), *PLACE, "no") for row in (0, 1))
    assert first != second
    other = column_key(bytes(32), "generations", "output")
    assert commitment(cell_salt(other, 0), *PLACE, "no") != first


def test_one_name_has_one_keyed_id() -> None:
    assert keyed_id(KEY, "r001") == hmac.new(KEY, b"r001", "sha256").hexdigest()[:16]
    assert keyed_id(KEY, "r001") != keyed_id(KEY, "r002")


def test_tables_share_ids_and_no_salts() -> None:
    keys = {
        salt_key(KEY, table, "item", keyed=True) for table in ("items", "generations", "probes")
    }
    assert len(keys | {KEY}) == 4
    assert salt_key(KEY, "items", "prompt", keyed=False) == KEY


def test_the_root_of_a_column_is_over_its_commitments() -> None:
    cells: list[Cell] = ["a", None, "b"]
    committed = [commitment(cell_salt(KEY, n), *PLACE, cell) for n, cell in enumerate(cells)]
    a, b, c = (hashlib.sha256(b"\x00" + one).digest() for one in committed)
    assert list(leaves(KEY, *PLACE, cells)) == [a, b, c]
    left = hashlib.sha256(b"\x01" + a + b).digest()
    assert root([a, b, c]) == hashlib.sha256(b"\x01" + left + c).digest()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, 0), (1, 1), (2, 2), (3, 2), (4, 4), (1023, 512), (2**31 - 1, 2**30), (-1, -1),
        (-7, -4), (0.0, 0.0), (1.0, 1.0), (0.75, 0.5), (3.999, 2.0), (-0.3, -0.25),
        (5e-324, 5e-324), (1.7976931348623157e308, 2.0**1023), (-1e-310, -(2.0**-1030)),
    ],
)  # fmt: skip
def test_a_coarse_number_is_a_power_of_two(value: float, shown: float) -> None:
    assert (coarse(value), type(coarse(value))) == (shown, type(value))


def test_zero_has_no_sign_once_it_is_coarse() -> None:
    assert math.copysign(1.0, coarse(-0.0)) == 1.0


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**40), 2**40))
def test_coarse_numbers_stay_as_they_are_and_are_never_larger(value: float) -> None:
    shown = coarse(value)
    assert coarse(shown) == shown
    assert abs(shown) <= abs(value)
    assert abs(value) < 2 * abs(shown) or not value
    assert value * shown >= 0


@pytest.mark.parametrize("length", [0, 31, 33])
def test_secrets_and_salts_have_one_length(length: int) -> None:
    with pytest.raises(MalformedInput, match="32 bytes"):
        column_key(b"k" * length, *PLACE)
    with pytest.raises(MalformedInput, match="32 bytes"):
        commitment(b"k" * length, *PLACE, "no")
