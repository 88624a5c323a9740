from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from safetycase.envelope.signed_note import (
    MAX_SIGNATURES,
    KeyType,
    VerifierKey,
    read_note,
    read_vkey,
)
from safetycase.errors import KeyRefused, MalformedInput, SafetyCaseError, TooLarge
from tests.kit.toy_log import COSIGNED, COSIGNED_PQ, NOTE, b64, hand, line

SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfX"
    "ppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n"
    "ed è subito sera.\n\n"
    "\u2014 quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJK"
    "ONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)
GO_VKEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
GO_NOTE = (
    "go.sum database tree\n35225469\nvt5T6GaLCXvyHFl9VUvvItR43XZxfLgftEcTyO3eJCQ=\n\n"
    "\u2014 sum.golang.org Az3grpukl5AXaVfYkLiDGORx/DN2nlcS5kZHR5uYOBV2KA2HgXpD+gu9HHONebHLAyaK"
    "bbTM75QTtPydhKCExixSfwQ=\n"
)
"""A checkpoint of Go's checksum database (torchwood, litewitness/testdata/sumdb.txt)."""

KINDS = (NOTE, COSIGNED, COSIGNED_PQ)


@pytest.mark.parametrize(("vkey", "note"), [(SPEC_VKEY, SPEC_NOTE), (GO_VKEY, GO_NOTE)])
def test_notes_of_others_verify(vkey: str, note: str) -> None:
    key = read_vkey(vkey, where="test")
    read = read_note(note, where="test")
    (made,) = read.claimed_by(key)
    assert key.verifies(read.text.encode(), made)
    assert not key.verifies(read.text.encode() + b"\n", made)
    assert key.vkey == vkey


def test_a_text_may_hold_empty_lines() -> None:
    read = read_note(POEM, where="test")
    assert read.text.endswith("sole:\n\ned è subito sera.\n")
    assert read.signatures[0].name == "quasimodo.example/salvatore"
    assert (read.signatures[0].key_id.hex(), len(read.signatures[0].signature)) == (
        "367ba04b",
        64,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_verifier_key_is_read_as_written(kind: int) -> None:
    made = hand("name", kind)
    key = read_vkey(made.vkey, where="test")
    assert key == VerifierKey("name", KeyType(kind), made.public)
    assert key.vkey == made.vkey
    assert key.key_id == made.key_id


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_id_is_of_name_kind_and_key(kind: int) -> None:
    key = read_vkey(hand("name", kind).vkey, where="test")
    other = read_vkey(hand("name", kind, "other").vkey, where="test")
    assert len({key.key_id, replace(key, name="nam").key_id, other.key_id}) == 3
    for wrong in (other.key_id.hex(), key.key_id.hex().upper(), key.key_id.hex()[:7], ""):
        name, _, encoded = key.vkey.split("+", 2)
        with pytest.raises(KeyRefused, match=f"policy: expected the key id {key.key_id.hex()}"):
            read_vkey(f"{name}+{wrong}+{encoded}", where="policy")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a\tb",
        "a\u00a0b",
        "a\u2028b",
        "a\x00b",
        "a\x1fb",
        "n" * 256,
        "é" * 128,
        "\ud800",
    ],
)
def test_names_that_no_note_can_carry_are_refused(name: str) -> None:
    with pytest.raises(KeyRefused, match="without spaces"):
        VerifierKey(name, KeyType.NOTE_ED25519, hand("name", NOTE).public)


def test_names_have_255_bytes_at_most() -> None:
    name = "é" * 127 + "e"
    assert read_vkey(hand(name, NOTE).vkey, where="test").name == name


def test_a_plus_parts_name_and_key_id() -> None:
    with pytest.raises(KeyRefused, match="without spaces and \\+"):
        VerifierKey("a+b", KeyType.NOTE_ED25519, hand("name", NOTE).public)
    with pytest.raises(SafetyCaseError):
        read_vkey("a+" + hand("name", NOTE).vkey, where="test")


@pytest.mark.parametrize("text", ["", "name", "name+00000000"])
def test_a_verifier_key_has_three_parts(text: str) -> None:
    with pytest.raises(MalformedInput, match="policy: expected a verifier key"):
        read_vkey(text, where="policy")


def test_a_key_is_in_canonical_base64() -> None:
    vkey = hand("name", NOTE).vkey
    for wrong in (vkey + "=", vkey[:-1], vkey + "\n", vkey + " ", vkey[:-4] + "_-__"):
        with pytest.raises(SafetyCaseError, match="policy: expected"):
            read_vkey(wrong, where="policy")


@pytest.mark.parametrize(
    "material", [b"", b"\x00", b"\x02" + bytes(32), b"\x05" + bytes(32), b"\xff" + bytes(32)]
)
def test_other_signature_types_are_refused(material: bytes) -> None:
    with pytest.raises(KeyRefused, match="policy: expected a signature type of 01, 04 or 06"):
        read_vkey(f"name+00000000+{b64(material)}", where="policy")


@pytest.mark.parametrize(
    ("material", "expected"),
    [
        (b"\x01" + bytes(31), "32 bytes"),
        (b"\x04" + bytes(33), "32 bytes"),
        (b"\x06" + bytes(1311), "1312 bytes, found 1311 bytes"),
        (b"\x06" + bytes(1313), "1312 bytes"),
        (b"\x06" + bytes(32), "1312 bytes"),
        (b"\x01" + (1).to_bytes(32, "little"), "a point of large order"),
        (b"\x04" + (1).to_bytes(32, "little"), "a point of large order"),
        (b"\x04" + (2**255 - 18).to_bytes(32, "little"), "a canonical encoding"),
    ],
)
def test_keys_of_a_wrong_length_or_an_unsound_point_are_refused(
    material: bytes, expected: str
) -> None:
    with pytest.raises(KeyRefused, match=f"^policy: .* {expected}"):
        read_vkey(f"name+00000000+{b64(material)}", where="policy")


def test_a_signature_is_of_one_key_and_message() -> None:
    for kind in KINDS:
        made = hand("name", kind)
        key = read_vkey(made.vkey, where="test")
        signature = made.private.sign(b"message")
        assert key.verifies(b"message", signature)
        assert not key.verifies(b"message ", signature)
        assert not key.verifies(b"message", signature[:-1])
        assert not key.verifies(b"message", signature + b"\0")
        assert not key.verifies(b"message", b"")
        assert not key.verifies(b"message", bytes([signature[0] ^ 1]) + signature[1:])
        assert not read_vkey(hand("name", kind, "other").vkey, where="test").verifies(
            b"message", signature
        )


def test_ml_dsa_signatures_have_no_context() -> None:
    made = hand("name", COSIGNED_PQ)
    assert not isinstance(made.private, Ed25519PrivateKey)
    key = read_vkey(made.vkey, where="test")
    assert not key.verifies(b"message", made.private.sign(b"message", b"context"))


def test_a_claim_is_by_name_and_key_id() -> None:
    key = read_vkey(hand("name", NOTE).vkey, where="test")
    lines = [
        line("name", key.key_id, b"1"),
        line("nam", key.key_id, b"2"),
        line("name", bytes(4), b"3"),
        line("name", key.key_id, b"4"),
    ]
    note = read_note("\n".join(["text", "", *lines, ""]), where="test")
    assert note.claimed_by(key) == (b"1", b"4")


SIGNED = line("n", b"\0\1\2\3", b"4")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "text\n",
        "text\n\n",
        f"text\n{SIGNED}\n",
        f"{SIGNED}\n",
        f"\n{SIGNED}\n",
        f"text\n\n{SIGNED}",
        f"text\n\n{SIGNED}\n\n",
        f"text\n\n{SIGNED}\n ",
        f"text\r\n\r\n{SIGNED}\r\n",
        f"text\n\n{SIGNED}\r\n",
        f"te\txt\n\n{SIGNED}\n",
        f"te\0xt\n\n{SIGNED}\n",
        f"text\n\n{SIGNED}\nmore\n",
        f"text\n\n{SIGNED} \n",
        f"text\n\n {SIGNED}\n",
        f"text\n\n{SIGNED.replace(' ', '  ')}\n",
        f"text\n\n{SIGNED.replace(' ', chr(0xA0))}\n",
        f"text\n\n{SIGNED.replace(' n ', ' n+ ')}\n",
        f"text\n\n{SIGNED.replace(' n ', '  ')}\n",
        f"text\n\n{SIGNED.replace(' n ', ' n n ')}\n",
        *(
            f"text\n\n{SIGNED.replace(chr(0x2014), dash)}\n"
            for dash in ("-", "--", "\u2013", "\u2015", "\u2212", "\u2e3a", "\ufe58", "")
        ),
        f"text\n\n{line('n', bytes(4), b'')}\n",
        f"text\n\n{line('n', bytes(3), b'')}\n",
        "text\n\n\u2014 n \n",
        "text\n\n\u2014 n AAECAwR=\n",
        "text\n\n\u2014 n AAECAwQ\n",
        "text\n\n\u2014 n AAEC-wQ=\n",
        "text\n\n\u2014 n AAECAwQ=AAAA\n",
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(MalformedInput, match=r"^where"):
        read_note(text, where="where")


def test_the_smallest_note() -> None:
    note = read_note(f"text\n\n{SIGNED}\n", where="test")
    assert note.text == "text\n"
    (signature,) = note.signatures
    assert (signature.name, signature.key_id, signature.signature) == ("n", b"\0\1\2\3", b"4")


def test_signatures_are_limited() -> None:
    read_note("text\n\n" + f"{SIGNED}\n" * MAX_SIGNATURES, where="test")
    with pytest.raises(TooLarge, match="at most 64 signatures, found 65"):
        read_note("text\n\n" + f"{SIGNED}\n" * (MAX_SIGNATURES + 1), where="test")


@given(st.text())
def test_any_text_is_a_note_or_refused(text: str) -> None:
    for read in (read_note, read_vkey):
        with suppress(SafetyCaseError):
            read(text, where="test")


@given(st.lists(st.text(st.characters(codec="utf-8", min_codepoint=32)), min_size=1))
def test_any_text_of_lines_comes_back(lines: list[str]) -> None:
    text = "\n".join([*lines, ""])
    assert read_note(f"{text}\n{SIGNED}\n", where="test").text == text
