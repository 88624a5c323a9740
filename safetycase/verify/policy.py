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
from safetycase.envelope.beacon import Beacon
from safetycase.envelope.dsse import decode_base64
from safetycase.envelope.log_proof import LogTrust
from safetycase.envelope.signed_note import read_vkey
from safetycase.envelope.timestamp import TimeStampAuthority
from safetycase.envelope.trust import Requirement, TrustedSigners, read_signers
from safetycase.errors import SafetyCaseError, SchemaViolation, UsageError
from safetycase.methods.plan_order import OrderTrust
from safetycase.record.policy import PolicyFile, Tier, TrustedAuthority, TrustedLogs
from safetycase.record.yaml_text import read_yaml

_MAX_POLICY_BYTES = 2**20
_PEM_BEGINS, _PEM_ENDS = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


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

    def order_trust(self) -> OrderTrust:
        """Whose word of times and values is taken; unsound keys are refused."""
        return OrderTrust(
            self.trust(),
            tuple(self._authority(each) for each in self.authorities or ()),
            None if self.transparency is None else self._logs(self.transparency),
            {
                each.chain: Beacon(
                    each.name,
                    each.chain,
                    bytes.fromhex(each.public_key),
                    each.genesis,
                    each.period,
                )
                for each in self.beacons or ()
            },
        )

    def _authority(self, stated: TrustedAuthority) -> TimeStampAuthority:
        where, own = f"policy {self.name}#/authorities {stated.name}", stated.certificate
        return TimeStampAuthority(
            stated.name, _der(stated.root, where), None if own is None else _der(own, where)
        )

    def _logs(self, stated: TrustedLogs) -> LogTrust:
        where = f"policy {self.name}#/transparency"
        return LogTrust(
            tuple(read_vkey(key, where=f"{where}/logs") for key in stated.logs),
            tuple(read_vkey(key, where=f"{where}/witnesses") for key in stated.witnesses),
            stated.quorum,
        )

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
        trust = policy.order_trust().signers
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


def _der(pem: str, where: str) -> bytes:
    """The bytes of a certificate in PEM; whether they are one is not asked here."""
    lines = [line.strip() for line in pem.strip().splitlines()]
    if lines[:1] != [_PEM_BEGINS] or lines[-1:] != [_PEM_ENDS]:
        raise SchemaViolation(where, f"one certificate in PEM: {_PEM_BEGINS} …", found=lines[0])
    return decode_base64("".join(lines[1:-1]), where=where)
