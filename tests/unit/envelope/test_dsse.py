from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from safetycase.envelope.dsse import Envelope, Signature, pae, read_envelope, write_envelope
from safetycase.errors import MalformedInput, SafetyCaseError

PROTOCOL_ENVELOPE = (
    b'{"payload": "aGVsbG8gd29ybGQ=","payloadType": "http://example.com/HelloWorld",'
    b'"signatures": [{"sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJ'
    b'PcIAriEGAHTVeCUjW2JIZA=="}]}'
)
X = 46950820868899156662930047687818585632848591499744589407958293238635476079160
Y = 5640078356564379163099075877009565129882514886557779369047442380624545832820

text = st.text(st.characters(exclude_categories=["Cs"]))


def test_the_vector_of_the_protocol() -> None:
    envelope = read_envelope(PROTOCOL_ENVELOPE, where="x")
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert envelope.signed_bytes() == expected
    (signature,) = envelope.signatures
    assert signature.keyid == ""
    r, s = (int.from_bytes(half) for half in (signature.sig[:32], signature.sig[32:]))
    key = ec.EllipticCurvePublicNumbers(X, Y, ec.SECP256R1()).public_key()
    key.verify(encode_dss_signature(r, s), expected, ec.ECDSA(hashes.SHA256()))


def test_lengths_count_bytes_of_a_type_that_is_not_ascii() -> None:
    assert pae("é", b"x") == "DSSEv1 2 é 1 x".encode()


@given(text, st.binary(), text, st.binary())
def test_pae_is_injective(kind: str, body: bytes, other: str, other_body: bytes) -> None:
    assert (pae(kind, body) == pae(other, other_body)) == ((kind, body) == (other, other_body))


def test_moving_bytes_between_type_and_payload_changes_what_is_signed() -> None:
    assert pae("a 1 b", b"c") != pae("a", b"b 1 c")


@given(text, st.binary(), st.lists(st.tuples(text, st.binary()), min_size=1, max_size=4))
def test_an_envelope_goes_both_ways(
    kind: str, payload: bytes, signatures: list[tuple[str, bytes]]
) -> None:
    envelope = Envelope(kind, payload, tuple(Signature(k, s) for k, s in signatures))
    assert read_envelope(write_envelope(envelope), where="x") == envelope


def spell(**changes: object) -> bytes:
    fields = {"payload": "aGVsbG8=", "payloadType": "t", "signatures": [{"sig": "AAAA"}]}
    return json.dumps({k: v for k, v in (fields | changes).items() if v != "absent"}).encode()


def test_an_honest_envelope_has_no_remarks() -> None:
    assert read_envelope(spell(), where="x").remarks == ()


@pytest.mark.parametrize(
    "payload",
    ["aGVsbG8", "aGVsbG8==", "aGVsbG9=", " aGVsbG8=", "aGVsbG8=\n", "aGVs\nbG8=", "aGVsbG8=!",
     "aGVsbG8=aGVs", "-_+/", "aGVsbG8\u00ff", "\u0661GVs", 1, None],
)  # fmt: skip
def test_other_base64_is_refused(payload: object) -> None:
    with pytest.raises(MalformedInput):
        read_envelope(spell(payload=payload), where="x")
    with pytest.raises(MalformedInput):
        read_envelope(spell(signatures=[{"sig": payload}]), where="x")


def test_url_safe_base64_is_accepted_and_reported() -> None:
    envelope = read_envelope(spell(payload="-_-_"), where="x")
    assert envelope.payload == b"\xfb\xff\xbf"
    assert envelope.remarks == ("x#/payload: URL-safe base64",)
    assert b"+/+/" in write_envelope(envelope)


def test_unknown_fields_are_ignored_and_reported() -> None:
    data = spell(key="mine", signatures=[{"sig": "AAAA", "cert": "mine"}])
    envelope = read_envelope(data, where="x")
    assert envelope.signatures == (Signature("", b"\0\0\0"),)
    assert envelope.remarks == (
        "x: ignored field 'key'", "x#/signatures/0: ignored field 'cert'",
    )  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        spell(signatures=[]),
        spell(signatures=None),
        spell(signatures={}),
        spell(signatures=[{}]),
        spell(signatures=["AAAA"]),
        spell(signatures=[{"sig": "AAAA"}] * 65),
        spell(signatures=[{"sig": "AAAA", "keyid": None}]),
        spell(signatures=[{"sig": "AAAA", "keyid": 1}]),
        spell(payloadType=1),
        spell(payloadType="absent"),
        spell(payload="absent"),
        spell(signatures="absent"),
        spell()[:-1] + b',"payload":"aGk="}',
        b"[]",
        b"",
    ],
)
def test_what_is_not_an_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        read_envelope(data, where="x")


@given(st.binary())
def test_any_bytes_give_an_envelope_or_our_refusal(data: bytes) -> None:
    with pytest.raises(SafetyCaseError):
        read_envelope(data, where="x")


@pytest.mark.parametrize(
    ("data", "where", "expected"),
    [
        (b"[]", "x", "an object"),
        (b"", "x", "one JSON value"),
        (spell(signatures=None), "x#/signatures", "an array"),
        (spell(signatures=[]), "x#/signatures", "at least one signature"),
        (spell(signatures=[{"sig": "AAAA"}] * 65), "x#/signatures", "at most 64 items"),
        (spell(signatures=[{"sig": "AAAA"}, 1]), "x#/signatures/1", "an object"),
        (spell(signatures=[{}]), "x#/signatures/0", "all required keys"),
        (spell(signatures=[{"sig": 1}]), "x#/signatures/0/sig", "a string"),
        (spell(signatures=[{"sig": "AAA"}]), "x#/signatures/0/sig", "standard base64"),
        (spell(signatures=[{"sig": "", "keyid": 1}]), "x#/signatures/0/keyid", "a string"),
        (spell(payloadType=1), "x#/payloadType", "a string"),
        (spell(payload=1), "x#/payload", "a string"),
        (spell(payload="aGVsbG9="), "x#/payload", "base64 in its one spelling"),
        (spell(more=[[[[[[[[1]]]]]]]]), "x", "nesting of at most 8"),
    ],
)
def test_a_refusal_of_an_envelope_names_the_place(
    data: bytes, where: str, expected: str
) -> None:
    with pytest.raises(SafetyCaseError) as refusal:
        read_envelope(data, where="x")
    assert (refusal.value.where, refusal.value.expected) == (where, expected)


def test_as_many_signatures_as_are_allowed_are_read_in_order() -> None:
    signatures = [{"sig": "AAAA", "keyid": str(n)} for n in range(64)]
    envelope = read_envelope(spell(signatures=signatures), where="x")
    assert [signature.keyid for signature in envelope.signatures] == list(map(str, range(64)))


def test_a_text_of_both_alphabets_is_neither() -> None:
    for mixed in ("-+AA", "-/AA", "_+AA", "_/AA"):
        with pytest.raises(MalformedInput):
            read_envelope(spell(payload=mixed), where="x")
    for plain in ("+/AA", "AAAA"):
        assert read_envelope(spell(payload=plain), where="x").remarks == ()
    for url_safe in ("-AAA", "_AAA"):
        assert len(read_envelope(spell(payload=url_safe), where="x").remarks) == 1
