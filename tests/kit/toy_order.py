"""Third parties of the toy's plans: a witness, a clock, a log, a beacon; and what they state.

The witness has the same keys every time: its public key stands in the plan, and so decides
every draw.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.digest import sha256_hex
from safetycase.envelope.dsse import Envelope, encode_base64, write_envelope
from safetycase.envelope.keys import Algorithm, PublicKey
from safetycase.envelope.statement import write_receipt
from safetycase.envelope.trust import Signer
from safetycase.record.randomness import Randomness
from safetycase.sign.keys import SigningKeys
from safetycase.sign.signer import sign_payload
from safetycase.sign.witness import nonce_for, sign_receipt
from safetycase.verify.policy import Policy
from tests.kit.builder import REVIEWER, Json, KitCase, build_case, keys, policy
from tests.kit.toy_authority import ToyAuthority
from tests.kit.toy_beacon import ToyBeacon
from tests.kit.toy_log import ToyLog
from tests.kit.tried_cases import tried_plan

WITNESS = "witness"
RECEIVED = "2026-11-22T09:00:00Z"
"""An hour before the kit's runs begin."""
RECEIPT = f"{layout.RECEIPT_PREFIX}kit.dsse.json"
STAMP = "statements/plan.tsr"
PROOF = "statements/plan.tlog-proof"
BEACON = ToyBeacon()
CLOCK = ToyAuthority()
STAMPED = datetime(2026, 11, 21, 12, tzinfo=UTC)
PUBLIC = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
"""When the round that the toy's plan waits for is public."""
ROUND = int((PUBLIC.timestamp() - BEACON.genesis) // BEACON.period) + 1


@cache
def witness(name: str = WITNESS, *roles: str) -> SigningKeys:
    """The keys that follow from a name."""
    seed = hashlib.sha256(f"toy witness {name}".encode()).digest()
    private = (
        Ed25519PrivateKey.from_private_bytes(seed),
        MLDSA65PrivateKey.from_seed_bytes(seed),
    )
    public = tuple(
        PublicKey(algorithm, key.public_key().public_bytes_raw())
        for algorithm, key in zip(
            (Algorithm.ED25519, Algorithm.ML_DSA_65), private, strict=True
        )
    )
    return SigningKeys(Signer(name, roles or (WITNESS,), public), private)


def ed25519_of(held: SigningKeys) -> str:
    """The Ed25519 public key of a signer, as a plan names it."""
    return encode_base64(held.signer.keys[0].raw)


def trusting(**changes: Any) -> Policy:
    """The kit's policy, of a user who trusts all of them and asks for *sound* claims."""
    signers = [k.signer.to_json() for k in (keys(), witness(), keys(REVIEWER))]
    log = ToyLog()
    fields: dict[str, Any] = {
        "signers": signers,
        "minimum_tier": "sound",
        "authorities": [authority(CLOCK)],
        "transparency": {
            "logs": [log.log.vkey],
            "witnesses": [each.vkey for each in log.witnesses],
            "quorum": 2,
        },
        "beacons": [beacon(BEACON)],
    }
    return policy(**fields | changes)


@cache
def trusts_all() -> Policy:
    """That policy, made once."""
    return trusting()


def authority(clock: ToyAuthority) -> Json:
    """An authority as a policy spells it."""
    return {"name": "clock", "root": pem(clock.root), "certificate": pem(clock.certificate)}


def pem(certificate: x509.Certificate) -> str:
    """A certificate in PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def beacon(toy: ToyBeacon) -> Json:
    """A beacon as a policy spells it."""
    known = toy.beacon
    return {
        "name": known.name,
        "chain": known.chain,
        "public_key": known.public_key.hex(),
        "genesis": known.genesis,
        "period": known.period,
    }


def witnessed_plan() -> Json:
    """The plan whose graders are tried, waiting for the witness's nonce."""
    awaited = {"source": "witness", "public": ed25519_of(witness())}
    return tried_plan() | {"randomness": awaited}


def awaiting_plan() -> Json:
    """The same, waiting for a round of the beacon."""
    awaited = {"source": "beacon", "chain": BEACON.beacon.chain, "round": ROUND}
    return tried_plan() | {"randomness": awaited}


def round_of(toy: ToyBeacon = BEACON, number: int = ROUND) -> Randomness:
    """The value of a round, as a case states it."""
    signature = toy.sign(number)
    return Randomness(value=sha256_hex(signature), signature=signature.hex())


def nonce_of(plan: bytes, held: SigningKeys | None = None) -> Randomness:
    """The nonce of a witness for a plan, as a case states it."""
    return Randomness(value=nonce_for(sha256_hex(plan), held or witness()))


def receipt(plan: bytes, received: str = RECEIVED, held: SigningKeys | None = None) -> bytes:
    """A witness's receipt of a plan, honestly made."""
    made, _ = sign_receipt(plan, held or witness(), received=received, where="plan.json")
    return write_envelope(made)


def receipt_saying(digest: str, said: Json, *held: SigningKeys) -> bytes:
    """A receipt of any contents, signed by any keys."""
    payload = write_receipt(digest, said)
    made = [sign_payload(payload, each) for each in held]
    signatures = sum((each.signatures for each in made), ())
    return write_envelope(Envelope(made[0].payload_type, payload, signatures))


def stamp(
    plan: bytes, at: datetime = STAMPED, clock: ToyAuthority = CLOCK, **how: Any
) -> bytes:
    """A time stamp over a plan."""
    return clock.stamp(plan, at, **how)


def log_proof(plan: bytes, log: ToyLog | None = None) -> bytes:
    """A proof that the plan's digest stands in the log, among others."""
    entries = [b"another plan", sha256_hex(plan).encode(), b"a third"]
    kept = log or ToyLog()
    kept.add(entries)
    return kept.proof(1)


@cache
def witnessed_case() -> KitCase:
    """An honest case whose plan the witness had before anything was drawn."""
    case = _with_value(witnessed_plan(), None)
    return case.with_members({RECEIPT: receipt(case.members[layout.PLAN_NAME])})


@cache
def awaited_case() -> KitCase:
    """An honest case that waited for a beacon's round, its plan stamped and logged before."""
    case = _with_value(awaiting_plan(), round_of())
    plan = case.members[layout.PLAN_NAME]
    return case.with_members({STAMP: stamp(plan), PROOF: log_proof(plan)})


@cache
def stamped_case() -> KitCase:
    """The same, with the time stamp alone."""
    return awaited_case().with_members({PROOF: None})


@cache
def logged_case() -> KitCase:
    """The same, with the log's proof alone."""
    return awaited_case().with_members({STAMP: None})


def _with_value(plan: Json, value: Randomness | None) -> KitCase:
    return build_case(plan, value=value or nonce_of(canonical.write(plan)))
