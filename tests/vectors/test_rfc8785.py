"""RFC 8785: the reference documents, and the number table of its appendix B."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from safetycase import canonical
from safetycase.errors import NotCanonical

FOLDER = Path(__file__).parent / "rfc8785"
NAMES = ("arrays", "french", "structures", "unicode", "values", "weird")


@pytest.mark.parametrize("name", NAMES)
def test_reference_document_gets_its_one_spelling(name: str) -> None:
    given = (FOLDER / "input" / f"{name}.json").read_bytes()
    expected = (FOLDER / "output" / f"{name}.json").read_bytes()
    value = canonical.read(given, where=name)
    assert canonical.write(value) == expected
    assert canonical.read_canonical(expected, where=name) == value
    assert given != expected
    with pytest.raises(NotCanonical, match="RFC 8785 spelling"):
        canonical.read_canonical(given, where=name)


@pytest.mark.parametrize(
    ("bits", "spelled"),
    [
        ("0000000000000000", b"0"),
        ("8000000000000000", b"0"),
        ("0000000000000001", b"5e-324"),
        ("8000000000000001", b"-5e-324"),
        ("7fefffffffffffff", b"1.7976931348623157e+308"),
        ("ffefffffffffffff", b"-1.7976931348623157e+308"),
        ("44b52d02c7e14af5", b"9.999999999999997e+22"),
        ("44b52d02c7e14af6", b"1e+23"),
        ("44b52d02c7e14af7", b"1.0000000000000001e+23"),
        ("444b1ae4d6e2ef50", b"1e+21"),
        ("3eb0c6f7a0b5ed8c", b"9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", b"0.000001"),
        ("41b3de4355555553", b"333333333.3333332"),
        ("41b3de4355555554", b"333333333.33333325"),
        ("41b3de4355555555", b"333333333.3333333"),
        ("41b3de4355555556", b"333333333.3333334"),
        ("41b3de4355555557", b"333333333.33333343"),
        ("becbf647612f3696", b"-0.0000033333333333333333"),
        ("43143ff3c1cb0959", b"1424953923781206.2"),
    ],
)
def test_number_table(bits: str, spelled: bytes) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical.write(value) == spelled
    assert canonical.read(spelled, where="number") == value


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ("7fffffffffffffff", "a finite number"),
        ("7ff0000000000000", "a finite number"),
        ("4340000000000000", "integers within"),
        ("c340000000000000", "integers within"),
        ("4430000000000000", "integers within"),
        ("444b1ae4d6e2ef4f", "integers within"),
    ],
)
def test_numbers_of_the_table_that_no_reader_would_hold_exactly_are_refused(
    bits: str, expected: str
) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    with pytest.raises(NotCanonical, match=expected):
        canonical.write([value])
