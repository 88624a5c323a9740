"""Attacks on the proof that a plan is older than what it draws.

The first half is by outsiders, who change what others have stated about the plan: the proof is
lost, or refused where a trusted key's word is twisted. The second is by developers, who sign
the case, and by witnesses and beacons who are not whom the policy means.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from cryptography.x509.oid import ExtendedKeyUsageOID

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.digest import sha256_hex
from safetycase.envelope.dsse import Envelope, read_envelope, write_envelope
from safetycase.record.randomness import Randomness
from safetycase.sign.keys import SigningKeys
from safetycase.sign.signer import sign_payload
from safetycase.verify.policy import Policy
from tests.kit.builder import (
    KitCase,
    build_case,
    edit_record,
    keys,
)
from tests.kit.register import Alters, attack
from tests.kit.seal import payload_of, sealed, signatures
from tests.kit.toy_authority import ToyAuthority
from tests.kit.toy_log import ORIGIN, ToyLog, hand
from tests.kit.toy_order import (
    PROOF,
    PUBLIC,
    RECEIPT,
    RECEIVED,
    STAMP,
    log_proof,
    logged_case,
    nonce_of,
    receipt,
    receipt_saying,
    stamp,
    stamped_case,
    trusting,
    trusts_all,
    witness,
    witnessed_case,
    witnessed_plan,
)

LOST = {"ORD-001"}
"""Without the third party's word, nobody knows which came first."""

Base = Callable[[], KitCase]


def outsider(*checks: str, base: Base = witnessed_case) -> Callable[[Alters], Alters]:
    """Register an attack by somebody who holds nobody's keys but his own."""
    unknown = LOST - set(checks)
    return attack("order", "outsider", refused_by=checks, unknown=unknown, base=base,
                  under=trusts_all)  # fmt: skip


def insider(
    *checks: str,
    base: Base = witnessed_case,
    under: Callable[[], Policy] = trusts_all,
    unknown: frozenset[str] | set[str] = frozenset(LOST),
) -> Callable[[Alters], Alters]:
    """Register an attack by the developer, or by somebody whom the policy trusts too much."""
    return attack("order", "insider", refused_by=checks, unknown=unknown - set(checks),
                  as_outsider=None, base=base, under=under, seals_itself=True)  # fmt: skip


def plan_of(case: KitCase) -> bytes:
    """The bytes of a case's plan."""
    return case.members[layout.PLAN_NAME]


def _with_receipt(case: KitCase, data: bytes) -> KitCase:
    return case.with_members({RECEIPT: data})


@outsider()
def receipt_left_out(case: KitCase) -> KitCase:
    """Take the witness's receipt out of the case.

    Seeds that nobody vouches for pass for seeds that nobody could choose.
    """
    return case.with_members({RECEIPT: None})


@outsider("ORD-005")
def receipt_nonce_edited(case: KitCase) -> KitCase:
    """Change the nonce in the witness's receipt.

    Any draw can be given a receipt afterwards.
    """
    envelope = read_envelope(case.members[RECEIPT], where=RECEIPT)
    nonce = nonce_of(plan_of(case)).value.encode()
    payload = envelope.payload.replace(nonce, b"0" * 64)
    forged = Envelope(envelope.payload_type, payload, envelope.signatures)
    return _with_receipt(case, write_envelope(forged))


@outsider("ORD-005")
def receipt_without_its_post_quantum_half(case: KitCase) -> KitCase:
    """Leave only the witness's Ed25519 signature.

    Whoever breaks elliptic curves later dates plans back in the witness's name.
    """
    return _halved(case, 64)


@outsider("ORD-005")
def receipt_without_its_classical_half(case: KitCase) -> KitCase:
    """Leave only the witness's ML-DSA-65 signature.

    A fault found in the young algorithm is enough to forge a receipt.
    """
    return _halved(case, 3309)


def _halved(case: KitCase, size: int) -> KitCase:
    envelope = read_envelope(case.members[RECEIPT], where=RECEIPT)
    kept = tuple(each for each in envelope.signatures if len(each.sig) == size)
    half = Envelope(envelope.payload_type, envelope.payload, kept)
    return _with_receipt(case, write_envelope(half))


@outsider("ORD-005")
def receipt_of_another_shape(case: KitCase) -> KitCase:
    """Put the case's own statement in the place of the receipt.

    What is signed by the right people passes for what it does not say.
    """
    return _with_receipt(case, case.members[layout.CASE_STATEMENT_NAME])


@outsider("ORD-005")
def receipt_of_another_plan(case: KitCase) -> KitCase:
    """Attach the witness's receipt of another plan.

    One plan that was seen in time lends its date to all others.
    """
    other = canonical.write(witnessed_plan() | {"title": "Another plan"})
    return _with_receipt(case, receipt(other))


@outsider()
def receipt_by_a_stranger(case: KitCase) -> KitCase:
    """Put a stranger's receipt, whole and about this plan, in the place of the witness's.

    Anybody who can make keys can date a plan back.
    """
    said = {"nonce": nonce_of(plan_of(case)).value, "received": RECEIVED}
    return _with_receipt(case, receipt_saying(sha256_hex(plan_of(case)), said, _stranger()))


@attack("order", "outsider", base=witnessed_case, under=trusts_all)
def receipt_by_a_stranger_beside_the_right_one(case: KitCase) -> KitCase:
    """Attach a stranger's receipt with another nonce beside the witness's.

    Anybody could have an honest case refused.
    """
    said = {"nonce": "0" * 64, "received": "2020-01-01T00:00:00Z"}
    digest = sha256_hex(plan_of(case))
    other = receipt_saying(digest, said, _stranger())
    return case.with_members({f"{layout.RECEIPT_PREFIX}other.dsse.json": other})


@attack("order", "outsider", base=stamped_case, under=trusts_all)
def late_stamp_beside_the_right_one(case: KitCase) -> KitCase:
    """Have the plan stamped again, long after the run, and attach that too.

    Anybody could have an honest case refused, since anybody gets a stamp.
    """
    late = stamp(plan_of(case), datetime(2026, 11, 22, 15, tzinfo=UTC))
    return case.with_members({"statements/late.tsr": late})


def _stranger() -> SigningKeys:
    return witness("stranger")


def _stamped(case: KitCase, data: bytes) -> KitCase:
    return case.with_members({STAMP: data})


@outsider(base=stamped_case)
def stamp_left_out(case: KitCase) -> KitCase:
    """Take the time stamp out of the case.

    A round that was known when the plan was written passes for one that nobody knew.
    """
    return case.with_members({STAMP: None})


@outsider(base=stamped_case)
def stamp_of_another_plan(case: KitCase) -> KitCase:
    """Put an early stamp over other bytes in its place.

    One plan that was stamped in time lends its date to all others.
    """
    return _stamped(case, stamp(b"another plan"))


@outsider(base=stamped_case)
def stamp_by_another_authority(case: KitCase) -> KitCase:
    """Put a stamp by an authority that the policy does not name in its place.

    Anybody who can run a clock can date a plan back.
    """
    return _stamped(case, stamp(plan_of(case), clock=ToyAuthority("another clock")))


@outsider(base=stamped_case)
def stamp_by_a_certificate_for_something_else(case: KitCase) -> KitCase:
    """Put a stamp in its place, by a certificate below the right root that is for servers.

    Every web server of a certificate authority's customers becomes a clock.
    """
    return _stamped(case, stamp(plan_of(case), clock=_server()))


@cache
def _server() -> ToyAuthority:
    return ToyAuthority(usages=(ExtendedKeyUsageOID.SERVER_AUTH,))


@outsider(base=stamped_case)
def stamp_over_a_weak_digest(case: KitCase) -> KitCase:
    """Put a stamp over the plan's SHA-1 in its place.

    Two plans with one digest are made at a known price; the other is shown later.
    """
    return _stamped(case, stamp(plan_of(case), imprint="sha1"))


@outsider(base=stamped_case)
def stamp_that_was_refused(case: KitCase) -> KitCase:
    """Put a reply in its place in which the authority refuses the request.

    A refusal passes for what it refuses.
    """
    return _stamped(case, stamp(plan_of(case), status=2))


@outsider(base=stamped_case)
def stamp_after_the_round(case: KitCase) -> KitCase:
    """Put a stamp from after the beacon's round in its place.

    The plan can be written once the value is known, until its draws please.
    """
    return _stamped(case, stamp(plan_of(case), datetime(2026, 11, 22, 9, 31, tzinfo=UTC)))


@outsider(base=stamped_case)
def stamp_seconds_before_the_round(case: KitCase) -> KitCase:
    """Put a stamp from 30 seconds before the round in its place.

    A clock that is half a minute slow lets a plan be written after the round.
    """
    return _stamped(case, stamp(plan_of(case), datetime(2026, 11, 22, 9, 29, 30, tzinfo=UTC)))


@outsider(base=stamped_case)
def stamp_cut_short(case: KitCase) -> KitCase:
    """Cut the last byte off the time stamp.

    What a lenient reader mends is not what was signed.
    """
    return _stamped(case, case.members[STAMP][:-1])


def _logged(case: KitCase, data: bytes) -> KitCase:
    return case.with_members({PROOF: data})


@outsider(base=logged_case)
def log_proof_of_another_entry(case: KitCase) -> KitCase:
    """Put the proof of another entry of the same log in its place.

    One plan that was logged in time lends its date to all others.
    """
    log = ToyLog()
    log_proof(plan_of(case), log)
    return _logged(case, log.proof(0))


@outsider(base=logged_case)
def log_proof_by_another_log(case: KitCase) -> KitCase:
    """Put the proof of a log in its place that has the right name and another key.

    Anybody who can run a log can date a plan back.
    """
    return _logged(case, log_proof(plan_of(case), ToyLog(log=hand(ORIGIN, 0x01, "another"))))


@outsider(base=logged_case)
def log_proof_with_one_witness(case: KitCase) -> KitCase:
    """Leave one cosignature of the two that the policy asks for.

    A log and one friend show every reader another history.
    """
    lines = case.members[PROOF].splitlines(keepends=True)
    return _logged(case, b"".join(lines[:-1]))


@outsider(base=logged_case)
def log_proof_cosigned_twice_by_one_witness(case: KitCase) -> KitCase:
    """Put one witness's cosignature twice in the place of two witnesses'.

    One friend counts as a quorum.
    """
    lines = case.members[PROOF].splitlines(keepends=True)
    return _logged(case, b"".join([*lines[:-1], lines[-2]]))


@outsider(base=logged_case)
def log_proof_at_another_index(case: KitCase) -> KitCase:
    """Let the proof say that the entry stands at another place.

    A path through the tree that leads elsewhere passes for one that leads here.
    """
    return _logged(case, case.members[PROOF].replace(b"\nindex 1\n", b"\nindex 2\n"))


@outsider(base=logged_case)
def log_proof_cosigned_after_the_round(case: KitCase) -> KitCase:
    """Put a proof in its place that witnesses cosigned after the round.

    The plan can be written once the value is known, until its draws please.
    """
    log, late = ToyLog(), int(PUBLIC.timestamp()) + 1
    log_proof(plan_of(case), log)
    return _logged(case, log.proof(1, late))


@outsider("ORD-005")
def early_receipt_with_a_nonce_of_its_own(case: KitCase) -> KitCase:
    """Attach a receipt that the named witness signed of this plan, with another nonce.

    A witness who is asked again gives another draw to choose from.
    """
    said = {"nonce": "f" * 64, "received": RECEIVED}
    return _with_receipt(case, receipt_saying(sha256_hex(plan_of(case)), said, witness()))


@insider("ORD-005")
def nonce_of_the_developers_own(case: KitCase) -> KitCase:
    """Draw by a nonce of one's own choice, and attach the witness's receipt all the same.

    Draws are tried out until they please, under a receipt that is genuine.
    """
    lucky = build_case(witnessed_plan(), value=Randomness(value=sha256_hex(b"lucky")))
    return lucky.with_members({RECEIPT: case.members[RECEIPT]})


@insider("ORD-005", unknown=frozenset())
def run_before_the_receipt(case: KitCase) -> KitCase:
    """Let the record say that the run began an hour before the witness had the plan.

    What was measured before the draw is shown as measured after it.
    """
    return sealed(edit_record(case, "/times/started", "2026-11-22T08:00:00Z"))


@cache
def witness_signs_as_developer() -> Policy:
    """A policy whose witness may sign as a developer too."""
    both = witness().signer.to_json() | {"roles": ["developer", "witness"]}
    return trusting(signers=[keys().signer.to_json(), both])


@insider("ORD-005", under=witness_signs_as_developer)
def receipt_by_a_developer(case: KitCase) -> KitCase:
    """Take the role of a witness beside that of a developer, and receive one's own plan.

    The author's own word passes for somebody else's.
    """
    return sealed(case)


@insider("ORD-005")
def witness_who_signed_the_case(case: KitCase) -> KitCase:
    """Have the witness sign the case as well.

    Whoever vouches for the results passes for somebody who has no part in them.
    """
    payload = payload_of(case)
    made = sign_payload(payload, witness()).signatures
    return sealed(case, payload, [*signatures(payload), *made])


@insider(unknown={"ORD-002"})
def departure_declared(case: KitCase) -> KitCase:
    """Declare a departure from the plan that was seen, and leave the figures as they are.

    A reader takes the plan that was seen for the one that was carried out.
    """
    departure = {"what": "Doses above 2 were not tried.", "why": "They took too long."}
    return sealed(edit_record(case, "/deviations/-", departure))
