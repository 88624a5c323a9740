"""A stamp's time counts if this authority stamped these bytes, and else not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from safetycase.envelope.timestamp import MAX_TOKEN_BYTES, TimeStampAuthority, stamped_at
from safetycase.errors import (
    ExtraMissing,
    KeyRefused,
    MalformedInput,
    ProofRefused,
    SafetyCaseError,
    TooLarge,
)
from tests.kit.toy_authority import TIME_STAMPING, ToyAuthority

PLAN = b"the plan's statement"
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
TOY = ToyAuthority()
OTHER = ToyAuthority("another clock")
TOKEN = TOY.stamp(PLAN, AT)

both = pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "below the root"])


def _refused(token: bytes, toy: ToyAuthority, *, pinned: bool) -> ProofRefused:
    with pytest.raises(ProofRefused) as refused:
        stamped_at(token, PLAN, toy.authority(pinned=pinned), where="statements/plan.tsr")
    assert refused.value.where == "statements/plan.tsr"
    return refused.value


@both
def test_a_stamp_has_its_time(pinned: bool) -> None:
    stamped = stamped_at(TOKEN, PLAN, TOY.authority(pinned=pinned), where="stamp")
    assert stamped == AT
    assert stamped.tzinfo is UTC


@both
@pytest.mark.parametrize("imprint", ["sha256", "sha384", "sha512"])
def test_an_imprint_of_sha2_is_taken(imprint: str, pinned: bool) -> None:
    token = TOY.stamp(PLAN, AT, imprint=imprint)
    assert stamped_at(token, PLAN, TOY.authority(pinned=pinned), where="stamp") == AT


def test_fractions_of_a_second_are_dropped() -> None:
    late = AT.replace(second=59, microsecond=990_000)
    stamped = stamped_at(TOY.stamp(PLAN, late), PLAN, TOY.authority(), where="stamp")
    assert stamped == AT.replace(second=59)


def test_the_toy_makes_the_same_bytes_again() -> None:
    assert ToyAuthority().stamp(PLAN, AT) == TOKEN


@both
def test_a_stamp_over_other_bytes_is_refused(pinned: bool) -> None:
    refused = _refused(TOY.stamp(b"another plan", AT), TOY, pinned=pinned)
    assert refused.found == "'Mismatch between messages'"


@both
def test_another_authority_is_refused(pinned: bool) -> None:
    found = _refused(OTHER.stamp(PLAN, AT), TOY, pinned=pinned).found
    assert found is not None
    assert ("another clock root" if pinned else "local issuer") in found


@both
def test_an_authority_is_not_another_for_bringing_its_certificate(pinned: bool) -> None:
    """The certificate that signed counts, not one that lies beside it (1.0.6's fix)."""
    for certificates in ((TOY.certificate,), (OTHER.certificate, TOY.certificate)):
        token = OTHER.stamp(PLAN, AT, certificates=certificates)
        _refused(token, TOY, pinned=pinned)


def test_another_certificate_below_the_root_is_not_the_pinned_one() -> None:
    """The root may sign anew: whoever pins asks for that one certificate."""
    renewed = replace(TOY, until=datetime(2030, 1, 1, tzinfo=UTC))
    assert stamped_at(renewed.stamp(PLAN, AT), PLAN, TOY.authority(pinned=False), where="stamp")
    refused = _refused(renewed.stamp(PLAN, AT), TOY, pinned=True)
    assert refused.found is not None
    assert "Embedded certificate does not match" in refused.found


@both
@pytest.mark.parametrize(
    "flawed",
    [replace(TOY, usages=()), replace(TOY, usages=(ExtendedKeyUsageOID.CODE_SIGNING,)),
     replace(TOY, usages=(TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)),
     replace(TOY, is_critical=False)],
    ids=["no usage", "another", "one more", "not critical"],
)  # fmt: skip
def test_a_certificate_that_is_not_for_time_stamps_alone_is_refused(
    flawed: ToyAuthority, pinned: bool
) -> None:
    refused = _refused(flawed.stamp(PLAN, AT), flawed, pinned=pinned)
    assert refused.found == "'unsuitable certificate purpose'"


@both
@pytest.mark.parametrize("end", ["until", "root_until"])
def test_a_chain_is_judged_at_the_time_of_the_stamp(end: str, pinned: bool) -> None:
    toy = ToyAuthority(**{end: datetime(2026, 6, 1, tzinfo=UTC)})
    before = datetime(2026, 5, 31, tzinfo=UTC)
    authority = toy.authority(pinned=pinned)
    assert stamped_at(toy.stamp(PLAN, before), PLAN, authority, where="stamp") == before
    refused = _refused(toy.stamp(PLAN, AT), toy, pinned=pinned)
    assert refused.found == "'certificate has expired'"
    early = TOY.stamp(PLAN, datetime(2025, 12, 31, tzinfo=UTC))
    assert "not yet valid" in (_refused(early, TOY, pinned=pinned).found or "")


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5, 6, 200])
def test_what_was_not_granted_as_asked_is_refused(status: int) -> None:
    with pytest.raises(MalformedInput, match=f"status 0\\), found status {status}"):
        stamped_at(TOY.stamp(PLAN, AT, status=status), PLAN, TOY.authority(), where="stamp")


def test_a_rejection_without_a_token_is_refused() -> None:
    with pytest.raises(MalformedInput, match="found status 2"):
        stamped_at(bytes.fromhex("30053003020102"), PLAN, TOY.authority(), where="stamp")
    with pytest.raises(ProofRefused, match="Missing SignedData"):
        stamped_at(bytes.fromhex("30053003020100"), PLAN, TOY.authority(), where="stamp")


@both
@pytest.mark.parametrize("weak", ["md5", "sha1"])
def test_a_weak_imprint_is_refused(weak: str, pinned: bool) -> None:
    refused = _refused(TOY.stamp(PLAN, AT, imprint=weak), TOY, pinned=pinned)
    assert refused.expected == "SHA-256, SHA-384, SHA-512 under signature and imprint"


@both
def test_a_weak_digest_under_the_signature_is_refused(pinned: bool) -> None:
    refused = _refused(TOY.stamp(PLAN, AT, digest="sha1"), TOY, pinned=pinned)
    assert refused.found == "algorithm 1.3.14.3.2.26"


@both
@pytest.mark.parametrize("brought", [None, (), (TOY.certificate, OTHER.certificate)])
@pytest.mark.parametrize("second", [TOY, OTHER], ids=["the same", "another"])
def test_two_signers_are_refused(
    brought: tuple[x509.Certificate, ...] | None, second: ToyAuthority, pinned: bool
) -> None:
    token = TOY.stamp(PLAN, AT, signers=(second,), certificates=brought)
    refused = _refused(token, TOY, pinned=pinned)
    assert (refused.expected, refused.found) == ("one signer", "2")


def test_a_stamp_without_its_certificate_needs_the_pinned_one() -> None:
    token = TOY.stamp(PLAN, AT, certificates=())
    assert stamped_at(token, PLAN, TOY.authority(), where="stamp") == AT
    _refused(token, TOY, pinned=False)


def test_without_certificates_the_signer_is_still_the_pinned_one() -> None:
    """The library takes any trusted signer there, and looks at the pinned one's usages."""
    toy, der = TOY.authority(), OTHER.certificate.public_bytes(Encoding.DER)
    root = OTHER.root.public_bytes(Encoding.DER)
    mixed = TimeStampAuthority("mixed", root, toy.certificate, (der,))
    token = OTHER.stamp(PLAN, AT, certificates=())
    with pytest.raises(ProofRefused, match="expected the pinned certificate's signature"):
        stamped_at(token, PLAN, mixed, where="stamp")
    assert stamped_at(token, PLAN, replace(mixed, certificate=der), where="stamp") == AT


def test_certificates_between_may_come_with_the_authority_or_the_reply() -> None:
    between, root = OTHER.vouches_for(TOY), OTHER.root.public_bytes(Encoding.DER)
    far = TimeStampAuthority("far", root)
    near = replace(far, intermediates=(between.public_bytes(Encoding.DER),))
    assert stamped_at(TOKEN, PLAN, near, where="stamp") == AT
    brought = TOY.stamp(PLAN, AT, certificates=(TOY.certificate, between))
    assert stamped_at(brought, PLAN, far, where="stamp") == AT
    with pytest.raises(ProofRefused, match="local issuer"):
        stamped_at(TOKEN, PLAN, far, where="stamp")


def test_an_odd_certificate_beside_the_signer_is_no_matter() -> None:
    """Its number is negative, of which `cryptography` warns; warnings are errors here."""
    number = OTHER.certificate.serial_number.to_bytes(9, "big")
    odd = OTHER.certificate.public_bytes(Encoding.DER).replace(
        number.lstrip(b"\0"), b"\x8f" + number.lstrip(b"\0")[1:], 1
    )
    with pytest.warns(UserWarning, match="serial number"):
        beside = x509.load_der_x509_certificate(odd)
    token = TOY.stamp(PLAN, AT, certificates=(TOY.certificate, beside))
    assert stamped_at(token, PLAN, TOY.authority(), where="stamp") == AT


def test_an_inaccurate_clock_is_refused() -> None:
    authority = TOY.authority()
    assert stamped_at(TOY.stamp(PLAN, AT, accuracy=60), PLAN, authority, where="stamp") == AT
    refused = _refused(TOY.stamp(PLAN, AT, accuracy=61), TOY, pinned=True)
    assert refused.found == "61 seconds"


@pytest.mark.parametrize(
    "token",
    [b"", TOKEN[:-1], TOKEN + b"\0", TOKEN + TOKEN, TOKEN[9:], PLAN, b"\x30\x80" + TOKEN[4:]],
    ids=["empty", "cut", "trailing byte", "twice", "bare token", "text", "indefinite length"],
)
def test_what_is_no_reply_is_refused(token: bytes) -> None:
    with pytest.raises(MalformedInput, match="TimeStampResp in DER and nothing after it"):
        stamped_at(token, PLAN, TOY.authority(), where="stamp")


def test_a_token_has_a_largest_size() -> None:
    with pytest.raises(TooLarge, match="at most 65536 bytes"):
        stamped_at(bytes(MAX_TOKEN_BYTES + 1), PLAN, TOY.authority(), where="stamp")
    with pytest.raises(MalformedInput, match="TimeStampResp"):
        stamped_at(bytes(MAX_TOKEN_BYTES), PLAN, TOY.authority(), where="stamp")


def _times(token: bytes, bits: range, judge: TimeStampAuthority, message: bytes) -> list[str]:
    """The times accepted of the token with each of these bits flipped."""
    accepted = []
    for bit in bits:
        flipped = bytearray(token)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            stamped = stamped_at(bytes(flipped), message, judge, where="stamp")
        except SafetyCaseError:
            continue
        accepted.append(stamped.isoformat())
    return accepted


def test_an_accepted_flip_changes_neither_time_nor_authority() -> None:
    """Versions and one algorithm's name are not signed; all else is."""
    every, some = range(len(TOKEN) * 8), range(0, len(TOKEN) * 8, 11)
    accepted = _times(TOKEN, every, TOY.authority(pinned=False), PLAN)
    assert set(accepted) == {AT.isoformat()}
    assert len(accepted) < len(every) * 0.02
    assert set(_times(TOKEN, some, TOY.authority(), PLAN)) == {AT.isoformat()}
    assert _times(TOKEN, some, OTHER.authority(pinned=False), PLAN) == []
    assert _times(TOKEN, some, TOY.authority(), b"another plan") == []


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_changed_bytes_give_the_time_or_our_error(data: st.DataObject) -> None:
    changed = bytearray(TOKEN)
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(TOKEN) - 1), st.integers(0, 255)), max_size=3)
    ):
        changed[place] = value
    try:
        stamped = stamped_at(bytes(changed), PLAN, TOY.authority(), where="stamp")
    except SafetyCaseError as error:
        told = str(error)
    else:
        told = ""
        assert stamped == AT
    assert told.isprintable()
    assert len(told) < 400


@pytest.mark.parametrize(
    ("field", "data"),
    [("root", b""), ("root", TOY.root.public_bytes(Encoding.PEM)),
     ("root", TOY.certificate.public_bytes(Encoding.DER)), ("certificate", b"\x30\0"),
     ("intermediates", (b"\x30\0",))],
    ids=["empty", "PEM", "not self-signed", "no certificate", "no intermediate"],
)  # fmt: skip
def test_what_is_no_certificate_makes_no_authority(
    field: str, data: bytes | tuple[bytes, ...]
) -> None:
    with pytest.raises(KeyRefused, match=f"^time-stamping authority toy clock, {field}: "):
        replace(TOY.authority(), **{field: data})


def test_a_root_that_another_key_signed_makes_no_authority() -> None:
    root = bytearray(TOY.root.public_bytes(Encoding.DER))
    root[-1] ^= 1
    with pytest.raises(KeyRefused, match="signed by its own key"):
        TimeStampAuthority("toy clock", bytes(root))


def test_an_authority_needs_no_extra_and_its_stamps_name_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    authority = TOY.authority()
    with pytest.raises(ExtraMissing, match=r'pip install "safetycase\[time\]"') as missing:
        stamped_at(TOKEN, PLAN, authority, where="stamp")
    assert missing.value.extra == "time"


CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
CN = root
[root]
basicConstraints = critical,CA:true
[leaf]
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = clock
[clock]
serial = serial
signer_cert = leaf.pem
signer_key = leaf.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha1,sha256,sha512
accuracy = secs:1,millisecs:500
tsa_name = yes
"""
"""No `certs`: OpenSSL 3.0 then writes a set out of order, which is refused as no DER."""


@pytest.fixture(scope="session")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an authority of OpenSSL's, with RSA keys; skips where openssl is not."""
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is not installed")
    folder = tmp_path_factory.mktemp("openssl")
    (folder / "tsa.cnf").write_text(CONFIGURATION)
    (folder / "serial").write_text("01\n")
    request = "req -newkey rsa:2048 -nodes -config tsa.cnf"
    _openssl(
        folder, f"{request} -x509 -keyout root.key -out root.pem -extensions root -days 30"
    )
    _openssl(folder, f"{request} -keyout leaf.key -out leaf.csr -subj /C=DE/CN=clock")
    signing = "x509 -req -in leaf.csr -CA root.pem -CAkey root.key -set_serial 7 -days 30"
    _openssl(folder, f"{signing} -extfile tsa.cnf -extensions leaf -out leaf.pem")
    return folder


def _openssl(folder: Path, command: str) -> str:
    finished = subprocess.run(
        ["openssl", *command.split()], cwd=folder, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout + finished.stderr


def _stamped_by_openssl(folder: Path, query: str) -> bytes:
    (folder / "plan").write_bytes(PLAN)
    _openssl(folder, f"ts -query -data plan {query} -out query")
    _openssl(folder, "ts -reply -config tsa.cnf -queryfile query -out reply")
    return (folder / "reply").read_bytes()


def _authority_of_openssl(folder: Path, *, pinned: bool) -> TimeStampAuthority:
    root, leaf = (
        x509.load_pem_x509_certificate((folder / name).read_bytes()).public_bytes(Encoding.DER)
        for name in ("root.pem", "leaf.pem")
    )
    return TimeStampAuthority("openssl", root, leaf if pinned else None)


@both
@pytest.mark.parametrize("query", ["-sha256 -cert", "-sha512 -cert -no_nonce"])
def test_stamps_of_openssl_are_read(openssl: Path, query: str, pinned: bool) -> None:
    authority = _authority_of_openssl(openssl, pinned=pinned)
    token = _stamped_by_openssl(openssl, query)
    stamped = stamped_at(token, PLAN, authority, where="stamp")
    told = _openssl(openssl, "ts -reply -in reply -text")
    assert f"Time stamp: {stamped:%b} {stamped.day:2} {stamped:%H:%M:%S %Y} GMT" in told
    with pytest.raises(ProofRefused, match="Mismatch"):
        stamped_at(token, b"another plan", authority, where="stamp")


def test_what_openssl_stamps_weakly_or_rejects_is_refused(openssl: Path) -> None:
    authority = _authority_of_openssl(openssl, pinned=True)
    with pytest.raises(ProofRefused, match="under signature and imprint"):
        stamped_at(_stamped_by_openssl(openssl, "-sha1 -cert"), PLAN, authority, where="stamp")
    rejected = _stamped_by_openssl(openssl, "-md5 -cert")
    with pytest.raises(MalformedInput, match="found status 2"):
        stamped_at(rejected, PLAN, authority, where="stamp")


def test_openssl_takes_the_stamps_of_the_toy(openssl: Path) -> None:
    (openssl / "plan").write_bytes(PLAN)
    (openssl / "toy.tsr").write_bytes(TOKEN)
    (openssl / "toy.pem").write_bytes(TOY.root.public_bytes(Encoding.PEM))
    seconds = int(AT.timestamp())
    told = _openssl(
        openssl,
        f"ts -verify -in toy.tsr -data plan -CAfile toy.pem -attime {seconds}",
    )
    assert "Verification: OK" in told
