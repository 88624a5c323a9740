"""What a verifier's user asks for before a case counts: signers, checks, tiers.

A policy is a file that the user names. It never comes from a case and is never looked for
beside one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from safetycase import canonical
from safetycase.digest import sha256_hex
from safetycase.envelope.trust import Requirement, TrustedSigners, read_signers
from safetycase.errors import SafetyCaseError, UsageError
from safetycase.record.base import Identifier, Record, Sha256, Text, Utc
from safetycase.record.yaml_text import read_yaml

POLICY_SCHEMA = "https://safetycase.dev/policy/v1alpha"

_MAX_POLICY_BYTES = 2**20


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


class Policy(Record):
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

    may_loosen: tuple[Identifier, ...] = ()
    """Names of signers who may set a looser release tier than the plan's rules give."""

    def tier_of(self, axis: str) -> Tier:
        """The tier that the claim of an axis must reach."""
        asked = self.claims.get(axis)
        return (asked and asked.minimum_tier) or self.minimum_tier

    def checks_of(self, axis: str) -> tuple[str, ...]:
        """Checks that are required of the claim of an axis, beside those required of all."""
        asked = self.claims.get(axis)
        return asked.required_checks if asked else ()

    def that_must_hold(self, axes: Sequence[str]) -> tuple[str, ...]:
        """Axes whose claims must hold, of a case that has these."""
        of_all = {"all": tuple(axes), "none": ()}
        named = self.must_hold if isinstance(self.must_hold, tuple) else of_all[self.must_hold]
        wanted = dict.fromkeys(named, True)
        wanted |= {
            axis: asked.must_hold
            for axis, asked in self.claims.items()
            if asked.must_hold is not None
        }
        return tuple(axis for axis, holds in wanted.items() if holds)

    def trust(self) -> TrustedSigners:
        """The signers with their keys; unsound or shared keys are refused."""
        entries = [signer.spelled() for signer in self.signers]
        listed = canonical.read(canonical.write(entries), where=f"policy {self.name}")
        return read_signers(listed, where=f"policy {self.name}#/signers")

    def requirements(self) -> tuple[Requirement, ...]:
        """How many signers of which role must have signed."""
        return tuple(Requirement(r.role, r.threshold) for r in self.signatures)

    def digest(self) -> str:
        """SHA-256 of the policy's canonical JSON: names what was asked for, in any spelling."""
        return sha256_hex(canonical.write(self.spelled()))


def load_policy(path: Path) -> Policy:
    """The policy in a YAML or JSON file that the user names."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_POLICY_BYTES + 1)
    except OSError as error:
        raise UsageError(str(path), "a readable policy", found=error.strerror) from None
    return read_policy(data, where=path.name)


def read_policy(data: bytes, *, where: str) -> Policy:
    """The policy these bytes spell, usable as it stands.

    Refused with UsageError: what is not YAML of the schema, keys that are unsound or shared,
    signers nobody asks a signature of, thresholds that cannot be reached.
    """
    if len(data) > _MAX_POLICY_BYTES:
        raise UsageError(where, f"a policy of at most {_MAX_POLICY_BYTES} bytes")
    try:
        value = read_yaml(data.decode("utf-8"), where=where)
        policy = Policy.model_validate_json(canonical.write(value, where=where))
        trust = policy.trust()
        for requirement in policy.requirements():
            requirement.require_reachable(trust)
    except UnicodeDecodeError as error:
        raise UsageError(where, "a policy in UTF-8", found=error.reason) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"/{step}" for step in first["loc"])
        raise UsageError(f"{where}#{place}", "a policy", found=first["msg"]) from None
    except UsageError:
        raise
    except SafetyCaseError as error:
        raise UsageError(error.where, error.expected, found=error.found) from None
    if bool(policy.signers) != bool(policy.signatures):
        raise UsageError(where, "signers and required signatures, both or neither")
    return policy
