"""A policy as its holder writes it: signers, checks and tiers that a case must have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetycase.record.base import Identifier, Record, Sha256, Text, Utc

POLICY_SCHEMA = "https://safetycase.dev/policy/v1alpha"


class PolicyKey(Record):
    """A public key of a signer."""

    algorithm: Literal["ed25519", "ml-dsa-65"]
    """Signature algorithm; every signer has one key of each."""
    public: Text
    """The raw public key in standard base64, as `safetycase sign` writes it."""


class PolicySigner(Record):
    """Somebody who is trusted to sign: an entry of `NAME.pub.json`."""

    name: Identifier
    """Name of the signer, printed on the verdict."""
    roles: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    """What the signer may sign as: `developer`, `reviewer`, …"""
    keys: Annotated[tuple[PolicyKey, ...], Field(min_length=2)]
    """All keys of the signer; all of them must have signed for the signer to count."""
    not_before: Utc | None = None
    """First moment at which a verification counts this signer; none for no bound."""
    not_after: Utc | None = None
    """Moment from which a verification no longer counts this signer; none for no bound."""


class TrustedAuthority(Record):
    """A time-stamping authority (RFC 3161) whose word of times is taken."""

    name: Identifier
    """Name of the authority, printed on the verdict."""
    root: Text
    """Certificate of its root, in PEM."""
    certificate: Text | None = None
    """Its own certificate, in PEM; none: any that the root vouches for."""


class TrustedLogs(Record):
    """Transparency logs and witnesses whose word is taken of what was public, and when."""

    logs: Annotated[tuple[Text, ...], Field(min_length=1, max_length=64)]
    """Keys of logs, as C2SP signed notes spell them: `NAME+HASH+KEY`."""
    witnesses: Annotated[tuple[Text, ...], Field(min_length=1, max_length=64)]
    """Keys of witnesses, in the same spelling."""
    quorum: Annotated[int, Field(ge=1, le=64)]
    """How many different witnesses must have seen the same tree."""


class TrustedBeacon(Record):
    """A drand beacon (unchained, G1 of RFC 9380): nobody knows a round before its time."""

    name: Identifier
    """Name of the beacon, printed on the verdict."""
    chain: Sha256
    """The hash that names its chain."""
    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{192}$")]
    """Its public key: a compressed point of G2, in hexadecimal."""
    genesis: Annotated[int, Field(ge=0, lt=2**40)]
    """When round 1 was public, in seconds since 1970."""
    period: Annotated[int, Field(ge=1, le=86400)]
    """Seconds from one round to the next."""


class RequiredSignatures(Record):
    """How many signers of a role must have signed."""

    role: Identifier
    """The role."""
    threshold: Annotated[int, Field(ge=1)]
    """Different signers of that role, at least."""


Tier = Literal["intact", "recomputed", "sound", "reproduced"]


class RequiredOfClaim(Record):
    """What must be so for the claim of one axis, where that differs from the rest."""

    minimum_tier: Tier | None = None
    """The tier that this claim must reach; none for the policy's own."""
    must_hold: bool | None = None
    """Whether this claim must hold, by recomputation; none for what the policy says of all."""
    required_checks: tuple[str, ...] = ()
    """Checks that must pass for this claim, beside those required of all."""


class PolicyFile(Record):
    """What must be so for a case to count as verified."""

    schema_: Annotated[Literal["https://safetycase.dev/policy/v1alpha"], Field(alias="schema")]
    """Version of this document."""
    name: Identifier
    """Short name, printed on the verdict."""
    signers: tuple[PolicySigner, ...]
    """Whom the user trusts; with none, a case is at best intact with an unknown signer."""
    signatures: tuple[RequiredSignatures, ...]
    """How many of them must have signed, by role; none without signers."""
    required_checks: Literal["all"] | Annotated[tuple[str, ...], Field(min_length=1)]
    """Checks that must pass; `all`: every check up to the minimum tier, and the renderings."""
    minimum_tier: Tier
    """The tier that every claim of the case must reach."""
    must_hold: Literal["all", "none"] | tuple[Identifier, ...]
    """Axes whose claims must hold, by recomputation."""
    claims: dict[Identifier, RequiredOfClaim] = Field(
        default_factory=dict, json_schema_extra={"additionalProperties": False}
    )
    """What is asked of single claims, by axis; a case without the axis is undecided."""
    superseded: tuple[Sha256, ...] = ()
    """Ids of cases that a newer one has taken the place of."""
    current_model: Sha256 | None = None
    """Manifest digest of the model that is released now; none: not asked."""

    authorities: Annotated[tuple[TrustedAuthority, ...], Field(max_length=16)] | None = None
    """Time-stamping authorities whose word is taken; none: no time stamp proves anything."""
    transparency: TrustedLogs | None = None
    """Logs and witnesses whose word is taken; none: no log proof proves anything."""
    beacons: Annotated[tuple[TrustedBeacon, ...], Field(max_length=16)] | None = None
    """Randomness beacons whose rounds are taken; none: none are."""
    may_loosen: tuple[Identifier, ...] = ()
    """Names of signers who may set a looser release tier than the plan's rules give."""
