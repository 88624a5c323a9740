"""The signers a verifier's user trusts, and what they have signed.

A signer is a named set of keys, at least one Ed25519 and one ML-DSA-65. It counts once, and
only when every one of its keys verifies over the same payload, so that neither half of the
hybrid can be stripped. Keys come from the user's policy; nothing in an artifact adds one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from safetycase import canonical
from safetycase.envelope.dsse import Envelope, Signature, decode_base64, encode_base64
from safetycase.envelope.keys import Algorithm, PublicKey
from safetycase.envelope.statement import case_id
from safetycase.errors import KeyRefused, SchemaViolation

_MAX_SIGNERS = 256
_MAX_KEYS = 8
_MAX_ROLES = 16
_TOKEN = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@dataclass(frozen=True, slots=True)
class Signer:
    """Who is trusted, for which roles, by which keys, from when (incl.) until when (excl.).

    A bound of None leaves that end of the window open.
    """

    name: str
    roles: tuple[str, ...]
    keys: tuple[PublicKey, ...]
    not_before: datetime | None = None
    not_after: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse a signer without a role, without both algorithms, or with an empty window."""
        for token in (self.name, *self.roles):
            if _TOKEN.fullmatch(token) is None:
                raise SchemaViolation(
                    "signer", "names of a-z, 0-9 and . _ -", found=ascii(token)
                )
        if not self.roles or len(set(self.roles)) != len(self.roles):
            raise SchemaViolation(f"signer {self.name}", "at least one role, each once")
        missing = sorted(set(Algorithm) - {key.algorithm for key in self.keys})
        if missing:
            raise KeyRefused(
                f"signer {self.name}",
                "an ed25519 and an ml-dsa-65 key",
                found=f"no {missing[0]}",
            )
        for bound in (self.not_before, self.not_after):
            _require_aware(bound, f"signer {self.name}")
        if self.not_before and self.not_after and self.not_before >= self.not_after:
            raise SchemaViolation(f"signer {self.name}", "not_before earlier than not_after")

    def is_valid_at(self, at: datetime) -> bool:
        """Whether the instant lies in the signer's window."""
        return (self.not_before is None or self.not_before <= at) and (
            self.not_after is None or at < self.not_after
        )

    def to_json(self) -> dict[str, object]:
        """The signer as it stands in a policy, keys in standard base64."""
        fields: dict[str, object] = {
            "name": self.name,
            "roles": list(self.roles),
            "keys": [_key_to_json(key) for key in self.keys],
        }
        bounds = {"not_before": self.not_before, "not_after": self.not_after}
        return fields | {key: _spell(bound) for key, bound in bounds.items() if bound}


@dataclass(frozen=True, slots=True)
class TrustedSigners:
    """A set of signers in which no name and no public key occurs twice."""

    signers: tuple[Signer, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a name or a key that two signers share: it could be counted twice."""
        names = [signer.name for signer in self.signers]
        if len(set(names)) != len(names):
            raise SchemaViolation("signers", "every name once")
        owners: dict[PublicKey, str] = {}
        for signer in self.signers:
            for key in signer.keys:
                if key in owners:
                    found = f"one of {owners[key]} again with {signer.name}"
                    raise KeyRefused("signers", "every public key once", found=found)
                owners[key] = signer.name

    def in_role(self, role: str) -> frozenset[str]:
        """The names of the signers who hold a role."""
        return frozenset(signer.name for signer in self.signers if role in signer.roles)


@dataclass(frozen=True, slots=True)
class Requirement:
    """How many signers of a role must have signed."""

    role: str
    threshold: int

    def __post_init__(self) -> None:
        """Refuse a threshold that is not an integer of at least 1."""
        if type(self.threshold) is not int or self.threshold < 1:
            found = ascii(self.threshold)
            raise SchemaViolation(f"threshold of {self.role}", "an integer ≥ 1", found=found)

    def require_reachable(self, trust: TrustedSigners) -> None:
        """Refuse a threshold that all signers of the role together cannot reach."""
        able = len(trust.in_role(self.role))
        if self.threshold > able:
            found = f"{self.threshold} of {able}"
            raise SchemaViolation(
                f"threshold of {self.role}", "at most all signers", found=found
            )


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A signer some of whose keys verified: a stripped or unfinished signature."""

    signer: str
    missing: tuple[str, ...]
    """Algorithms of the keys without a valid signature."""


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """What the signatures of one envelope say under one policy at one time.

    Only `verified` counts for anything; the rest tells the reader why somebody is not in it.
    """

    payload_sha256: str
    verified: tuple[str, ...]
    """Names of signers all of whose keys verified, within their window."""
    outside_window: tuple[str, ...]
    """Names of signers all of whose keys verified, outside their window."""
    incomplete: tuple[Incomplete, ...]
    false_claims: tuple[str, ...]
    """Trusted key ids that came with a signature which that key did not make."""
    unknown: tuple[str, ...]
    """Key ids of the other signatures that no trusted key made, as the envelope gives them."""
    remarks: tuple[str, ...]

    @property
    def took_part(self) -> frozenset[str]:
        """Everybody trusted of whose keys at least one made a signature, whenever."""
        partly = (incomplete.signer for incomplete in self.incomplete)
        return frozenset((*self.verified, *self.outside_window, *partly))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why signatures do not count, in words."""
        told = [f"{name} is outside its window" for name in self.outside_window]
        told += [f"{one.signer} lacks {', '.join(one.missing)}" for one in self.incomplete]
        if self.unknown:
            told.append(f"{len(self.unknown)} signatures by keys that the policy lacks")
        return tuple(told)

    def counted(self, trust: TrustedSigners, role: str) -> tuple[str, ...]:
        """The verified signers who hold a role."""
        return tuple(name for name in self.verified if name in trust.in_role(role))

    def satisfies(self, requirement: Requirement, trust: TrustedSigners) -> bool:
        """Whether enough distinct signers of the role have signed."""
        return len(self.counted(trust, requirement.role)) >= requirement.threshold


def verify_envelope(envelope: Envelope, trust: TrustedSigners, at: datetime) -> SignatureReport:
    """Who, of those trusted, signed this payload and payload type.

    Every signature is tried under every trusted key of its length, whatever key id it claims.
    A signature that does not verify is skipped and reported: it vetoes nothing. `at` is the
    time to judge windows by, which the envelope must not choose.
    """
    _require_aware(at, "time of verification")
    message = envelope.signed_bytes()
    made_by = {
        key: frozenset(s for s in envelope.signatures if key.verifies(message, s.sig))
        for signer in trust.signers
        for key in signer.keys
    }
    complete = [s for s in trust.signers if all(made_by[key] for key in s.keys)]
    false_claims, unknown = _sort_failures(envelope, made_by)
    return SignatureReport(
        payload_sha256=case_id(envelope.payload),
        verified=tuple(s.name for s in complete if s.is_valid_at(at)),
        outside_window=tuple(s.name for s in complete if not s.is_valid_at(at)),
        incomplete=tuple(
            Incomplete(s.name, tuple(key.algorithm for key in s.keys if not made_by[key]))
            for s in trust.signers
            if s not in complete and any(made_by[key] for key in s.keys)
        ),
        false_claims=false_claims,
        unknown=unknown,
        remarks=envelope.remarks,
    )


def read_signer(value: canonical.JsonValue, *, where: str) -> Signer:
    """The signer that a policy entry or a `NAME.pub.json` describes; closed fields."""
    fields = canonical.as_object(
        value,
        where=where,
        required=("name", "roles", "keys"),
        optional=("not_before", "not_after"),
    )
    roles = canonical.as_array(fields["roles"], where=f"{where}/roles", max_items=_MAX_ROLES)
    keys = canonical.as_array(fields["keys"], where=f"{where}/keys", max_items=_MAX_KEYS)
    return Signer(
        canonical.as_text(fields["name"], where=f"{where}/name"),
        tuple(canonical.as_text(role, where=f"{where}/roles") for role in roles),
        tuple(_read_key(key, f"{where}/keys/{index}") for index, key in enumerate(keys)),
        _read_bound(fields, "not_before", where),
        _read_bound(fields, "not_after", where),
    )


def read_signers(value: canonical.JsonValue, *, where: str) -> TrustedSigners:
    """The signers of a policy's list."""
    items = canonical.as_array(value, where=where, max_items=_MAX_SIGNERS)
    return TrustedSigners(
        tuple(read_signer(item, where=f"{where}/{index}") for index, item in enumerate(items))
    )


def read_instant(text: str, *, where: str) -> datetime:
    """An instant written as 2026-11-22T16:00:00Z; no other spelling of RFC 3339."""
    if _INSTANT.fullmatch(text) is not None:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise SchemaViolation(where, "a time like 2026-11-22T16:00:00Z", found=ascii(text[:80]))


def _sort_failures(
    envelope: Envelope, made_by: dict[PublicKey, frozenset[Signature]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    by_keyid = {key.keyid: made for key, made in made_by.items()}
    made = frozenset[Signature]().union(*made_by.values())
    claims = [s for s in envelope.signatures if s.keyid in by_keyid]
    strangers = [s for s in envelope.signatures if s.keyid not in by_keyid and s not in made]
    false_claims = tuple(s.keyid for s in claims if s not in by_keyid[s.keyid])
    return false_claims, tuple(s.keyid for s in strangers)


def _read_key(value: canonical.JsonValue, where: str) -> PublicKey:
    fields = canonical.as_object(value, where=where, required=("algorithm", "public"))
    name = canonical.as_text(fields["algorithm"], where=f"{where}/algorithm")
    if name not in set(Algorithm):
        raise KeyRefused(where, f"one of {', '.join(Algorithm)}", found=ascii(name[:80]))
    public = canonical.as_text(fields["public"], where=f"{where}/public")
    return PublicKey(Algorithm(name), decode_base64(public, where=f"{where}/public"))


def _read_bound(
    fields: dict[str, canonical.JsonValue], key: str, where: str
) -> datetime | None:
    if key not in fields:
        return None
    place = f"{where}/{key}"
    return read_instant(canonical.as_text(fields[key], where=place), where=place)


def _key_to_json(key: PublicKey) -> dict[str, str]:
    return {"algorithm": key.algorithm, "public": encode_base64(key.raw)}


def _spell(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _require_aware(instant: datetime | None, where: str) -> None:
    if instant is not None and instant.tzinfo is None:
        raise SchemaViolation(where, "a time with its zone")
