"""A case is verified before anybody is handed it: what was written must hold by itself."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from safetycase import canonical
from safetycase.errors import NotVerified

if TYPE_CHECKING:
    from safetycase.envelope.trust import Signer

_HEAD = "# Trusts the one signer below: who holds its keys decides what that is worth.\n"


def policy_text(name: str, signer: Signer) -> bytes:
    """A policy that asks for this signer's signature and for every figure recomputed."""
    policy = {
        "schema": "https://safetycase.dev/policy/v1alpha",
        "name": name,
        "signers": [canonical.read(canonical.write(signer.to_json()), where="signer")],
        "signatures": [{"role": signer.roles[0], "threshold": 1}],
        "required_checks": "all",
        "minimum_tier": "recomputed",
        "must_hold": "none",
    }
    return (_HEAD + yaml.safe_dump(policy, sort_keys=False)).encode()


def require_verified(case: Path, *, at: str) -> None:
    """Refuse an unsigned case that would not verify once somebody signs it.

    A copy is signed with keys that exist for this moment only. Claims need not hold: a case
    that says so is an honest case.
    """
    from safetycase.sign.keys import generate
    from safetycase.sign.signer import sign_case
    from safetycase.verify.engine import verify
    from safetycase.verify.policy import read_policy

    with tempfile.TemporaryDirectory(prefix="safetycase-") as folder:
        copy = Path(folder) / case.name
        shutil.copyfile(case, copy)
        signer = generate(Path(folder) / "keys", "nobody")
        sign_case(copy, Path(folder) / "keys")
        policy = read_policy(policy_text("as-written", signer), where="as-written")
        verdict = verify(copy, policy, at=at)
    if not verdict.verified:
        failing = ", ".join(verdict.failing()) or verdict.reason
        remedy = "Runner and verifier disagree: please report this, with the case."
        raise NotVerified(str(case), "a case that verifies", found=failing, remedy=remedy)
