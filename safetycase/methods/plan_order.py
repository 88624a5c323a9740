"""Whether somebody else vouches that a plan is older than a value in its seeds.

Two ways. A witness receives the plan and gives a nonce for it, in a signed receipt. Or a
time-stamping authority, a log with its witnesses, or a receipt shows that the plan was there
before a round of a randomness beacon that the plan names. Whatever that value draws was drawn
after the plan was fixed, and nobody could look for draws that please.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from typing_extensions import override

from safetycase import canonical
from safetycase.canonical import JsonValue
from safetycase.digest import sha256_hex
from safetycase.envelope.attestation import read_attestation
from safetycase.envelope.beacon import Beacon, value_of
from safetycase.envelope.dsse import encode_base64
from safetycase.envelope.keys import Algorithm
from safetycase.envelope.log_proof import LogTrust, logged
from safetycase.envelope.statement import RECEIPT_PREDICATE
from safetycase.envelope.timestamp import TimeStampAuthority, stamped_at
from safetycase.envelope.trust import SignatureReport, TrustedSigners, read_instant
from safetycase.errors import ExtraMissing, SafetyCaseError
from safetycase.methods.gap import Gap
from safetycase.record.randomness import (
    Awaited,
    NonceOfWitness,
    PlanReceipt,
    Randomness,
    RoundOfBeacon,
)
from safetycase.record.reading import read_as

WITNESS = "witness"
"""Role of those whose receipt of a plan counts."""

MARGIN = timedelta(seconds=60)
"""How much older than the beacon's round a plan must be: clocks differ."""

MOST_PROOFS = 16
"""Stamps and log proofs that are looked at; those behind them count for nothing."""

_STATEMENTS = "statements/"
_RANDOMNESS = "case.json#/randomness"


@dataclass(frozen=True)
class OrderTrust:
    """Whose word of times and values the verifier's user takes."""

    signers: TrustedSigners
    authorities: tuple[TimeStampAuthority, ...]
    logs: LogTrust | None
    beacons: Mapping[str, Beacon]
    """By the hash of their chain."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt of a plan, not judged yet."""

    name: str
    plan: str
    """Digest of the plan that it is about."""
    said: PlanReceipt
    witnesses: tuple[str, ...]
    """Whose word it is, of those who may give it."""
    false_witnesses: tuple[str, ...]
    """What speaks against its signatures."""

    @property
    def received(self) -> datetime:
        """When the witness had the plan."""
        return read_instant(self.said.received, where=self.name)


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody whose word counts saw the plan."""

    by: str
    at: datetime

    @override
    def __str__(self) -> str:
        """Who and when, in words."""
        return f"{self.by} at {_spell(self.at)}"


@dataclass(frozen=True, slots=True)
class Order:
    """What is shown of the order of plan and draws: a sentence, or what stands in its way."""

    sentence: str | None
    gap: Gap | None = None


def plan_receipt(predicate: JsonValue, where: str) -> PlanReceipt:
    """The receipt that a statement's predicate spells; refused unless its fields are those."""
    data = canonical.write(predicate)
    return read_as(PlanReceipt, data, where=where, expected="a receipt")


def read_receipts(
    statements: Mapping[str, bytes],
    trust: TrustedSigners,
    case_signed: SignatureReport,
    *,
    at: datetime,
) -> tuple[Receipt, ...]:
    """The receipts in these envelopes, by name; one that is malformed is refused."""
    receipts = []
    for name, data in statements.items():
        found = read_attestation(data, RECEIPT_PREDICATE, trust=trust, at=at, name=name)
        receipts.append(
            Receipt(
                name,
                found.about,
                plan_receipt(found.predicate, name),
                found.counts_for(WITNESS, trust, case_signed),
                tuple(found.false_witnesses(trust, case_signed)),
            )
        )
    return tuple(receipts)


def randomness_gaps(awaited: Awaited | None, stated: Randomness | None) -> Iterator[Gap]:
    """Where a case's value is not of the kind that its plan waits for."""
    if (awaited is None) != (stated is None):
        wanted = "none: the plan waits for none" if awaited is None else "the value awaited"
        yield Gap(_RANDOMNESS, wanted, "none" if stated is None else stated.value)
    elif isinstance(awaited, NonceOfWitness) and stated is not None:
        if stated.signature is not None:
            yield Gap(f"{_RANDOMNESS}/signature", "none: a nonce has none", stated.signature)
    elif stated is not None:
        signature = bytes.fromhex(stated.signature or "")
        if sha256_hex(signature) != stated.value:
            wanted = f"SHA-256 of the round's signature, {sha256_hex(signature)}"
            yield Gap(f"{_RANDOMNESS}/value", wanted, stated.value)


def receipt_gaps(
    receipts: Sequence[Receipt],
    digest: str,
    awaited: Awaited | None,
    stated: Randomness | None,
    started: str,
    signers: TrustedSigners,
) -> Iterator[Gap]:
    """What a witness's receipt contradicts: the plan, the seeds, or the order of times."""
    named = holder(awaited.public, signers) if isinstance(awaited, NonceOfWitness) else None
    for receipt in receipts:
        where = f"{receipt.name}#/payload"
        for found in receipt.false_witnesses:
            yield Gap(receipt.name, "whole signatures by somebody else", found)
        if receipt.witnesses and receipt.plan != digest:
            yield Gap(f"{where}/subject", f"the plan {digest}", receipt.plan)
        elif stated is not None and named in receipt.witnesses:
            yield from _nonce_gaps(f"{where}/predicate", receipt.said, stated.value, started)


def _nonce_gaps(where: str, said: PlanReceipt, value: str, started: str) -> Iterator[Gap]:
    if said.nonce != value:
        yield Gap(f"{where}/nonce", f"the value in the seeds, {value}", said.nonce)
    if said.received > started:
        told = "The run began before the nonce that it draws by was given."
        expected = f"a time up to the start of the run, {started}"
        yield Gap(f"{where}/received", expected, said.received, told)


def first_seen(
    files: Mapping[str, bytes],
    plan: bytes,
    receipts: Sequence[Receipt],
    trust: OrderTrust,
    *,
    at: datetime,
) -> tuple[list[Seen], list[str]]:
    """Who saw a plan and when, the earliest first; and why other proofs show nothing.

    `files` are time stamps (RFC 3161, over the bytes of plan.json) and log proofs (C2SP, of an
    entry that is the plan's digest in hexadecimal). What nobody trusted says is passed over.
    """
    digest = sha256_hex(plan)
    found = [
        Seen(r.witnesses[0], r.received) for r in receipts if r.plan == digest and r.witnesses
    ]
    reasons: list[str] = []
    for name, data in list(files.items())[:MOST_PROOFS]:
        for says in _readers(name, data, plan, trust):
            try:
                found.append(says())
            except SafetyCaseError as refusal:
                reasons.append(str(refusal))
    known = [seen for seen in found if seen.at <= at]
    return sorted(known, key=lambda seen: (seen.at, seen.by)), reasons


def _readers(
    name: str, data: bytes, plan: bytes, trust: OrderTrust
) -> list[Callable[[], Seen]]:
    """What may make a proof say something: every authority in turn, or the logs."""
    if name.endswith(".tsr"):
        return [partial(_stamped, name, data, plan, each) for each in trust.authorities]
    return [] if trust.logs is None else [partial(_logged, name, data, plan, trust.logs)]


def _stamped(name: str, data: bytes, plan: bytes, authority: TimeStampAuthority) -> Seen:
    return Seen(authority.name, stamped_at(data, plan, authority, where=name))


def _logged(name: str, data: bytes, plan: bytes, logs: LogTrust) -> Seen:
    found = logged(data, sha256_hex(plan).encode("ascii"), logs, where=name)
    return Seen(f"{', '.join(found.witnesses)} in {found.origin}", found.at)


def order_of(
    awaited: Awaited | None,
    stated: Randomness | None,
    digest: str,
    started: str,
    receipts: Sequence[Receipt],
    seen: tuple[list[Seen], list[str]],
    trust: OrderTrust,
) -> Order:
    """What is shown of the order: that the plan came before the value in its seeds, or why not.

    Silence and what outsiders could add leave the question open; a value that is not the
    beacon's, or that came after the run had begun, contradicts the case.
    """
    times, reasons = seen
    if awaited is None or stated is None:
        told = "Nothing in the case shows by somebody else's word that the plan came first."
        more = " Its author may have tried many."
        found = f"the runner's own word: started {started}"
        if times:
            told = f"The plan was there by the word of {times[0]}, but its seeds hold no value "
            more = "from after it: what it draws may have been tried out before."
            found = f"no value that nobody knew, in a plan seen by {times[0]}"
        return Order(None, _open("a third party's time over the plan, and a seed from after it",
                                 found, told + more))  # fmt: skip
    if isinstance(awaited, NonceOfWitness):
        return _by_nonce(awaited, stated, digest, receipts, trust)
    return _by_round(awaited, stated, started, times, reasons, trust)


def _by_nonce(
    awaited: NonceOfWitness,
    stated: Randomness,
    digest: str,
    receipts: Sequence[Receipt],
    trust: OrderTrust,
) -> Order:
    named = holder(awaited.public, trust.signers)
    wanted = "a receipt of the plan, with the nonce in its seeds, by the witness that it names"
    if named is None or named not in trust.signers.in_role(WITNESS):
        found = f"no {WITNESS} of the policy with the key {awaited.public}"
        return Order(None, _open(wanted, found, f"{found}: the user must know whom to trust."))
    for receipt in receipts:
        given = receipt.plan, receipt.said.nonce
        if named in receipt.witnesses and given == (digest, stated.value):
            return Order(
                f"{named} received the plan at {receipt.said.received} and then gave the nonce "
                "from which every split and control is drawn."
            )
    return Order(None, _open(wanted, "none", f"There is no such receipt by {named}."))


def _by_round(
    awaited: RoundOfBeacon,
    stated: Randomness,
    started: str,
    times: Sequence[Seen],
    reasons: Sequence[str],
    trust: OrderTrust,
) -> Order:
    wanted = f"a plan seen by somebody else {MARGIN.seconds} s before round {awaited.round}"
    beacon = trust.beacons.get(awaited.chain)
    if beacon is None:
        found = f"no beacon of chain {awaited.chain[:16]}… in the policy"
        return Order(None, _open(wanted, found, f"{found}: the user must know whom to trust."))
    signature, where = bytes.fromhex(stated.signature or ""), f"{_RANDOMNESS}/signature"
    try:
        value_of(beacon, awaited.round, signature, where=where)
    except ExtraMissing as missing:
        return Order(None, _open(wanted, "a signature that cannot be verified", str(missing)))
    except SafetyCaseError as refusal:
        found = refusal.found or "another"
        return Order(None, Gap(where, refusal.expected, found, str(refusal)))
    public = beacon.time_of(awaited.round)
    if _spell(public) > started:
        said = "The run began before the value that it draws by was public."
        gap = Gap("case.json#/times/started", f"a time from {_spell(public)} on", started, said)
        return Order(None, gap)
    if not times or times[0].at + MARGIN > public:
        found = f"first {times[0]}, public at {_spell(public)}" if times else "nobody"
        told = " ".join(("Who fixed the plan may have known the round.", *reasons[:2]))
        return Order(None, _open(wanted, found, told))
    return Order(
        f"The plan was seen by {times[0]}; every split and control is drawn from round "
        f"{awaited.round} of {beacon.name}, public at {_spell(public)}."
    )


def _open(expected: str, found: str, sentence: str) -> Gap:
    return Gap(_STATEMENTS, expected, found, sentence, silent=True)


def holder(public: str, signers: TrustedSigners) -> str | None:
    """The signer who holds an Ed25519 key; none if nobody of the policy does."""
    for signer in signers.signers:
        for key in signer.keys:
            if key.algorithm is Algorithm.ED25519 and encode_base64(key.raw) == public:
                return signer.name
    return None


def _spell(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
