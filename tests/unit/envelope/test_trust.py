# ruff: noqa: ANN001  # arguments are the fixtures of conftest.py
from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest

from safetycase.envelope import trust
from safetycase.envelope.dsse import STATEMENT_TYPE, Envelope, Signature, pae
from safetycase.envelope.statement import case_id
from safetycase.envelope.trust import Incomplete, Requirement, Signer, TrustedSigners
from safetycase.errors import KeyRefused, SafetyCaseError, SchemaViolation

NOW = datetime(2026, 11, 22, 16, tzinfo=UTC)


@pytest.fixture
def trusted(lab, reviewer) -> TrustedSigners:
    return TrustedSigners((lab.signer("developer"), reviewer.signer("reviewer", "auditor")))


def test_whoever_signed_with_all_keys_is_verified(lab, reviewer, sealed, trusted) -> None:
    report = trust.verify_envelope(sealed(lab, reviewer), trusted, NOW)
    assert report == trust.SignatureReport(
        case_id(b"{}"), ("lab", "reviewer"), (), (), (), (), ()
    )
    assert report.counted(trusted, "developer") == ("lab",)
    assert report.satisfies(Requirement("reviewer", 1), trusted)
    assert not report.satisfies(Requirement("reviewer", 2), trusted)
    assert not report.satisfies(Requirement("operator", 1), trusted)


def test_nobody_trusted_means_nobody_verified(lab, sealed) -> None:
    report = trust.verify_envelope(sealed(lab), TrustedSigners(), NOW)
    assert report.verified == ()
    assert report.unknown == tuple(key.keyid for key in lab.keys)


def test_a_strangers_signature_is_reported_and_vetoes_nothing(
    lab, stranger, sealed, trusted
) -> None:
    report = trust.verify_envelope(sealed(stranger, lab), trusted, NOW)
    assert report.verified == ("lab",)
    assert report.unknown == tuple(key.keyid for key in stranger.keys)
    assert report.false_claims == ()


@pytest.mark.parametrize(("kept", "missing"), [(0, "ml-dsa-65"), (1, "ed25519")])
def test_half_a_hybrid_does_not_count(lab, sealed, trusted, kept: int, missing: str) -> None:
    whole = sealed(lab)
    half = dataclasses.replace(whole, signatures=(whole.signatures[kept],))
    report = trust.verify_envelope(half, trusted, NOW)
    assert report.verified == ()
    assert report.incomplete == (Incomplete("lab", (missing,)),)


@pytest.mark.parametrize("change", [{"payload": b"{} "}, {"payload_type": "application/json"}])
def test_another_payload_or_type_is_signed_by_nobody(lab, sealed, trusted, change) -> None:
    report = trust.verify_envelope(dataclasses.replace(sealed(lab), **change), trusted, NOW)
    assert report.verified == ()
    assert report.incomplete == ()
    assert report.false_claims == tuple(key.keyid for key in lab.keys)


def test_every_flipped_bit_of_a_signature_is_noticed(lab, sealed, trusted) -> None:
    whole = sealed(lab)
    for index, signature in enumerate(whole.signatures):
        for place in (0, 31, 63):
            flipped = bytearray(signature.sig)
            flipped[place] ^= 1
            signatures = list(whole.signatures)
            signatures[index] = Signature(signature.keyid, bytes(flipped))
            changed = dataclasses.replace(whole, signatures=tuple(signatures))
            report = trust.verify_envelope(changed, trusted, NOW)
            assert report.verified == ()
            assert report.false_claims == (signature.keyid,)


def test_a_false_claim_beside_a_true_signature_vetoes_nothing(lab, sealed, trusted) -> None:
    whole = sealed(lab)
    keyid = lab.keys[0].keyid
    forged = dataclasses.replace(
        whole, signatures=(Signature(keyid, bytes(64)), *whole.signatures)
    )
    report = trust.verify_envelope(forged, trusted, NOW)
    assert report.verified == ("lab",)
    assert report.false_claims == (keyid,)


@pytest.mark.parametrize("keyid", ["", "wrong", "0" * 100_000])
def test_key_ids_are_hints(lab, sealed, trusted, keyid: str) -> None:
    whole = sealed(lab)
    blank = tuple(Signature(keyid, s.sig) for s in whole.signatures)
    report = trust.verify_envelope(dataclasses.replace(whole, signatures=blank), trusted, NOW)
    assert report.verified == ("lab",)
    assert report.unknown == ()


def test_swapped_key_ids_are_false_claims_and_the_signatures_still_count(
    lab, sealed, trusted
) -> None:
    whole = sealed(lab)
    one, two = whole.signatures
    swapped = (Signature(two.keyid, one.sig), Signature(one.keyid, two.sig))
    report = trust.verify_envelope(dataclasses.replace(whole, signatures=swapped), trusted, NOW)
    assert report.verified == ("lab",)
    assert report.false_claims == (two.keyid, one.keyid)


def test_one_signer_counts_once_however_often_it_signs(lab, sealed, trusted) -> None:
    report = trust.verify_envelope(sealed(lab, lab, lab), trusted, NOW)
    assert report.verified == ("lab",)


def test_a_signature_under_another_context_does_not_count(lab, trusted) -> None:
    signatures = lab.sign(pae(STATEMENT_TYPE, b"{}"), b"")
    envelope = Envelope(STATEMENT_TYPE, b"{}", tuple(signatures))
    report = trust.verify_envelope(envelope, trusted, NOW)
    assert report.verified == ()
    assert report.incomplete == (Incomplete("lab", ("ml-dsa-65",)),)


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("not_before", "not_after", "is_valid"),
    [
        (None, None, True),
        (NOW, None, True),
        (NOW + HOUR, None, False),
        (None, NOW, False),
        (None, NOW + HOUR, True),
        (NOW - HOUR, NOW + HOUR, True),
    ],
)
def test_the_window_includes_its_start_and_not_its_end(
    lab, sealed, not_before: datetime | None, not_after: datetime | None, *, is_valid: bool
) -> None:
    signer = dataclasses.replace(lab.signer(), not_before=not_before, not_after=not_after)
    report = trust.verify_envelope(sealed(lab), TrustedSigners((signer,)), NOW)
    assert report.verified == (("lab",) if is_valid else ())
    assert report.outside_window == (() if is_valid else ("lab",))


def test_times_without_a_zone_are_refused(lab, sealed, trusted) -> None:
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(SchemaViolation, match="a time with its zone"):
        trust.verify_envelope(sealed(lab), trusted, naive)
    with pytest.raises(SchemaViolation, match="a time with its zone"):
        dataclasses.replace(lab.signer(), not_before=naive)


def test_an_empty_window_is_refused(lab) -> None:
    with pytest.raises(SchemaViolation, match="not_before earlier"):
        dataclasses.replace(lab.signer(), not_before=NOW, not_after=NOW)


def test_a_public_key_belongs_to_one_signer(lab, reviewer) -> None:
    both = Signer("second", ("reviewer",), (lab.keys[0], reviewer.keys[1]))
    with pytest.raises(KeyRefused, match="one of lab again with second"):
        TrustedSigners((lab.signer(), both))
    with pytest.raises(KeyRefused, match="every public key once"):
        TrustedSigners((Signer("lab", ("r",), (*lab.keys, lab.keys[0])),))
    with pytest.raises(SchemaViolation, match="every name once"):
        TrustedSigners((lab.signer(), Signer("lab", ("r",), reviewer.keys)))


@pytest.mark.parametrize("kept", [0, 1])
def test_a_signer_needs_both_algorithms(lab, kept: int) -> None:
    with pytest.raises(KeyRefused, match="an ed25519 and an ml-dsa-65 key"):
        Signer("lab", ("developer",), (lab.keys[kept],))


@pytest.mark.parametrize("roles", [(), ("a", "a"), ("A",), ("a b",), ("a\n",)])
def test_roles_are_plain_and_unique(lab, roles: tuple[str, ...]) -> None:
    with pytest.raises(SchemaViolation):
        Signer("lab", roles, lab.keys)


@pytest.mark.parametrize("threshold", [0, -1, True, 1.0, "1", None])
def test_a_threshold_is_an_integer_of_at_least_one(threshold) -> None:
    with pytest.raises(SchemaViolation, match="an integer ≥ 1"):
        Requirement("developer", threshold)


def test_a_threshold_beyond_all_signers_is_refused(trusted) -> None:
    Requirement("auditor", 1).require_reachable(trusted)
    with pytest.raises(SchemaViolation, match="found 2 of 1"):
        Requirement("auditor", 2).require_reachable(trusted)


def test_a_signer_goes_to_json_and_back(lab) -> None:
    signer = dataclasses.replace(lab.signer("a", "b"), not_before=NOW, not_after=NOW + HOUR)
    fields = signer.to_json()
    assert fields["not_before"] == "2026-11-22T16:00:00Z"
    assert trust.read_signer(fields, where="x") == signer
    assert trust.read_signers([fields], where="x") == TrustedSigners((signer,))


@pytest.mark.parametrize(
    "change",
    [
        {"keys": []},
        {"keys": [{"algorithm": "ed25519"}]},
        {"keys": [{"algorithm": "rsa", "public": ""}]},
        {"keys": [{"algorithm": "ed25519", "public": "AAA"}]},
        {"keys": [{"algorithm": "ed25519", "public": "AAAA", "context": ""}]},
        {"roles": "developer"},
        {"name": "../lab"},
        {"name": None},
        {"threshold": 1},
        {"not_before": "2026-11-22"},
        {"not_before": "2026-11-22T16:00:00+00:00"},
        {"not_before": "2026-W47-7T16:00:00Z"},
        {"not_before": "2026-13-22T16:00:00Z"},
        {"not_before": "2026-11-22T16:00:00Z\n"},
        {"not_before": None},
        {"not_before": 0},
    ],
)
def test_a_signer_that_is_not_one_is_refused(lab, change) -> None:
    with pytest.raises(SafetyCaseError):
        trust.read_signer(lab.signer().to_json() | change, where="x")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"threshold": 1}, "x"),
        ({"name": None}, "x/name"),
        ({"roles": "developer"}, "x/roles"),
        ({"roles": [1]}, "x/roles"),
        ({"roles": [f"r{n}" for n in range(17)]}, "x/roles"),
        ({"keys": {}}, "x/keys"),
        ({"keys": [None] * 9}, "x/keys"),
        ({"keys": [{"algorithm": "ed25519"}]}, "x/keys/0"),
        ({"keys": [{"algorithm": 1, "public": ""}]}, "x/keys/0/algorithm"),
        ({"keys": [{"algorithm": "rsa", "public": ""}]}, "x/keys/0"),
        ({"keys": [{"algorithm": "ed25519", "public": 1}]}, "x/keys/0/public"),
        ({"keys": [{"algorithm": "ed25519", "public": "AAA"}]}, "x/keys/0/public"),
        ({"not_before": 0}, "x/not_before"),
        ({"not_before": "2026-11-22"}, "x/not_before"),
        ({"not_after": 0}, "x/not_after"),
        ({"not_after": "2026-11-22"}, "x/not_after"),
        ({"roles": ["A"]}, "signer"),
        ({"roles": []}, "signer lab"),
        ({"keys": []}, "signer lab"),
    ],
)
def test_a_refused_signer_is_told_by_its_pointer(lab, change, where: str) -> None:
    with pytest.raises(SafetyCaseError) as refusal:
        trust.read_signer(lab.signer().to_json() | change, where="x")
    assert refusal.value.where == where


def test_what_is_missing_or_odd_in_a_signer_is_told(lab) -> None:
    for change, found in (
        ({"name": "A b"}, "'A b'"),
        ({"keys": lab.signer().to_json()["keys"][:1]}, "no ml-dsa-65"),
        ({"keys": lab.signer().to_json()["keys"][1:]}, "no ed25519"),
        ({"keys": [{"algorithm": "rsa" * 40, "public": ""}]}, ascii(("rsa" * 40)[:80])),
        ({"not_before": "9" * 90}, ascii("9" * 80)),
    ):
        with pytest.raises(SafetyCaseError) as refusal:
            trust.read_signer(lab.signer().to_json() | change, where="x")
        assert refusal.value.found == found
    with pytest.raises(SchemaViolation) as refusal:
        dataclasses.replace(lab.signer(), not_after=NOW.replace(tzinfo=None))
    assert refusal.value.where == "signer lab"
    with pytest.raises(SchemaViolation, match="threshold of developer") as refusal:
        Requirement("developer", 0)
    assert refusal.value.found == "0"
    with pytest.raises(SchemaViolation, match="time of verification"):
        trust.verify_envelope(Envelope("", b"", ()), TrustedSigners(), NOW.replace(tzinfo=None))


def test_a_list_of_signers_has_a_limit_and_tells_which_is_wrong(lab) -> None:
    with pytest.raises(SafetyCaseError) as refusal:
        trust.read_signers([lab.signer().to_json(), {}], where="x")
    assert refusal.value.where == "x/1"
    with pytest.raises(SafetyCaseError) as refusal:
        trust.read_signers([None] * 257, where="x")
    assert (refusal.value.where, refusal.value.expected) == ("x", "at most 256 items")


def test_a_report_says_why_signatures_do_not_count(lab, reviewer, stranger, sealed) -> None:
    late = dataclasses.replace(lab.signer(), not_after=NOW)
    whole = sealed(reviewer, lab, stranger)
    half = dataclasses.replace(whole, signatures=whole.signatures[1:], remarks=("r",))
    report = trust.verify_envelope(half, TrustedSigners((late, reviewer.signer())), NOW)
    assert report.reasons == (
        "lab is outside its window",
        "reviewer lacks ed25519",
        "2 signatures by keys that the policy lacks",
    )
    assert report.took_part == {"lab", "reviewer"}
    assert report.remarks == ("r",)
    assert report.unknown == tuple(key.keyid for key in stranger.keys)
    assert (
        trust.verify_envelope(sealed(lab), TrustedSigners((lab.signer(),)), NOW).reasons == ()
    )


def test_bounds_are_spelled_in_utc_and_left_out_where_open(lab) -> None:
    east = timezone(timedelta(hours=2))
    signer = dataclasses.replace(lab.signer(), not_after=NOW.astimezone(east))
    assert signer.to_json()["not_after"] == "2026-11-22T16:00:00Z"
    assert set(signer.to_json()) == {"name", "roles", "keys", "not_after"}
    assert set(lab.signer().to_json()) == {"name", "roles", "keys"}
