"""Writes fixtures/vectors: cases, policies and expected verdicts, for any implementation.

`python -m tests.kit.vectors` makes all of them anew, with a fresh key. A vector is written only
if this verifier says of it what the attack declares. Format: docs/spec/conformance.md.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from safetycase import canonical
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Verdict
from safetycase.verify.policy import Policy, read_policy
from tests.kit.builder import AT, KitCase, build_case, policy
from tests.kit.cases import FragileWorld, lenient, small_case, small_plan, with_page
from tests.kit.register import Attack, register_all
from tests.kit.seal import sealed, unsealed

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "vectors"
FORMAT = "https://safetycase.dev/vector/v1alpha"

_OUTSIDERS = ("label-swapped", "claim-wording-strengthened")
_INSIDERS = (
    "label-swapped",
    "p-value-edited",
    "claim-wording-strengthened",
    "interval-narrowed",
    "control-redrawn",
    "silent-control",
    "model-file-swapped",
)
_FORGERS = ("times-backdated", "environment-invented")


@dataclass(frozen=True)
class Vector:
    """A case and what must be said of it."""

    name: str
    character: str
    what: str
    effect: str
    policy: Policy
    data: bytes

    def expected(self) -> dict[str, object]:
        """The parts of a verdict that every implementation must agree on."""
        return expectation(verify(self.data, self.policy, at=AT))


def expectation(verdict: Verdict) -> dict[str, object]:
    """Exit code, failing checks, tier and standing of every claim, and the release tier."""
    return {
        "exit_code": verdict.exit_code,
        "failing": list(verdict.failing()),
        "claims": [
            {"axis": claim.axis, "tier": claim.tier, "holds": claim.holds}
            for claim in verdict.claims
        ],
        "decision_tier": verdict.decision_tier,
    }


def _fragile() -> KitCase:
    return build_case(small_plan(), world=FragileWorld(7), requests_count=60, quiz_count=50)


_HONEST: dict[str, tuple[str, Callable[[], KitCase], Callable[[], Policy]]] = {
    "honest-and-holding": ("All claims hold.", small_case, policy),
    "honest-and-failing": (
        "Random controls do as much as the target: the first claim does not hold.",
        _fragile,
        lenient,
    ),
    "honest-with-a-page": (
        "All claims hold, and a page quotes the figures.",
        lambda: with_page(small_case()),
        policy,
    ),
}


def vectors() -> list[Vector]:
    """All vectors: honest cases, and attacks of each character on the small case."""
    made = [
        Vector(
            name, "honest", what, "Nothing: it must be accepted.", asked(), case().to_bytes()
        )
        for name, (what, case, asked) in _HONEST.items()
    ]
    attacks = register_all()
    made += [_attacked(attacks[name], "outsider") for name in _OUTSIDERS]
    made += [_attacked(attacks[name], "insider") for name in _INSIDERS]
    made += [_attacked(attacks[name], "forger") for name in _FORGERS]
    return made


def _attacked(attack: Attack, character: str) -> Vector:
    altered = attack.alters(small_case())
    if not isinstance(altered, KitCase):
        raise TypeError(f"{attack.name} gives bytes")
    case = unsealed(altered, small_case()) if character == "outsider" else sealed(altered)
    vector = Vector(
        f"{character}-{attack.name}",
        character,
        attack.what,
        attack.effect,
        attack.policy(),
        case.to_bytes(),
    )
    declared = attack.as_outsider if character == "outsider" else attack.refused_by
    if set(vector.expected()["failing"]) != set(declared or ()):  # type: ignore[call-overload]
        raise ValueError(f"{vector.name}: {vector.expected()}, declared {declared}")
    return vector


def write() -> int:
    """Write every vector into a folder of its own; what was there before is gone."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    made = vectors()
    for vector in made:
        folder = FOLDER / vector.name
        folder.mkdir(parents=True)
        (folder / "case.safetycase").write_bytes(vector.data)
        asked = vector.policy.spelled()
        (folder / "policy.json").write_bytes(canonical.write(asked) + b"\n")
        about = {
            "schema": FORMAT,
            "name": vector.name,
            "character": vector.character,
            "attack": vector.what,
            "effect": vector.effect,
            "case": "case.safetycase",
            "policy": "policy.json",
            "at": AT,
            "expected": vector.expected(),
        }
        (folder / "vector.json").write_bytes(
            msgspec.json.format(canonical.write(about), indent=2) + b"\n"
        )
        read_policy((folder / "policy.json").read_bytes(), where=vector.name)
    return len(made)


if __name__ == "__main__":
    sys.stdout.write(f"{write()} vectors in fixtures/vectors\n")
