"""What a verifier's user asks for before a case counts: signers, checks, tiers.

A policy is a file that the user names. It never comes from a case and is never looked for
beside one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from safetycase import canonical
from safetycase.digest import sha256_hex
from safetycase.envelope.trust import Requirement, TrustedSigners, read_signers
from safetycase.errors import SafetyCaseError, UsageError
from safetycase.record.policy import PolicyFile, Tier
from safetycase.record.yaml_text import read_yaml

_MAX_POLICY_BYTES = 2**20


class Policy(PolicyFile):
    """What must be so for a case to count as verified."""

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
