"""Writes fixtures/vectors: cases, policies and expected verdicts, for any implementation.

`python -m tests.kit.vectors` makes all of them anew, with a fresh key; with names behind, only
these. A vector is written only if this verifier says of it what the attack declares. Format:
docs/spec/conformance.md.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from safetycase import canonical
from safetycase.tables.closing import single_cells
from safetycase.tables.escrow import Escrow
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Verdict
from safetycase.verify.policy import Policy, read_policy
from tests.kit.builder import AT, KitCase, build_case, policy
from tests.kit.cases import FragileWorld, lenient, small_case, small_plan, with_page
from tests.kit.order_vectors import Told, told
from tests.kit.redacted import (
    LENGTHS,
    PROMPTS,
    TEXTS,
    addressed,
    edit_escrow,
    edit_opened,
    lines_of,
    opened_column,
    place_of,
    redacted_from,
    with_lines,
)
from tests.kit.register import Attack, register_all
from tests.kit.seal import sealed, unsealed
from tests.kit.toy_order import trusts_all

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
    escrow: bytes | None = None

    def expected(self) -> dict[str, object]:
        """The parts of a verdict that every implementation must agree on."""
        return expectation(verify(self.data, self.policy, at=AT, escrow=self.escrow))


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
    made += _redacted() + [_opened_otherwise(attacks[name]) for name in _OPENED]
    return made + [_ordered(name, each) for name, each in told().items()]


def _ordered(name: str, each: Told) -> Vector:
    data = each.case.to_bytes()
    vector = Vector(name, each.character, each.what, each.effect, trusts_all(), data)
    return _as_declared(vector, each.failing)


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
    return _as_declared(vector, declared or ())


def _closed(*columns: str, coarse: Sequence[str] = ()) -> tuple[KitCase, bytes]:
    """The small case, redacted, and the escrow that opens it."""
    made = redacted_from(small_case(), *columns, coarse=coarse)
    case = sealed(KitCase(made.members))
    return case, addressed(made.escrow, case)


def _redacted() -> list[Vector]:
    case, escrow = _closed(PROMPTS)
    what = "Prompts and all that tells of them are withheld"
    told = {
        "honest-redacted": (f"{what}; there is no escrow.", "It is undecided.", None),
        "honest-redacted-and-opened": (
            f"{what}; the escrow opens them.",
            "Nothing: it must be accepted.",
            escrow,
        ),
    }
    return [
        Vector(name, "honest", what, effect, policy(), case.to_bytes(), given)
        for name, (what, effect, given) in told.items()
    ]


def _tokens_shown(case: KitCase) -> KitCase:
    header, *rows = lines_of(case, "generations")
    rows[0][place_of(header, "tokens")] = 7
    return sealed(with_lines(case, "generations", [header, *rows]))


def _other_text(escrow: bytes) -> bytes:
    cells = opened_column(escrow, "generations", "output").cells
    return edit_opened(escrow, "generations", "output", cells=[_REFUSAL, *cells[1:]])


def _other_cell(escrow: bytes) -> bytes:
    texts = opened_column(escrow, "generations", "output")
    one, other = single_cells("withheld", texts, (0, 5))
    cells = [msgspec.structs.replace(one, cell=_REFUSAL), other]
    change: Callable[[Escrow], Escrow] = lambda whole: msgspec.structs.replace(  # noqa: E731
        whole, columns=[], files=[], cells=cells
    )
    return edit_escrow(escrow, change)


_REFUSAL = "I cannot help."
_SAME: Callable[[bytes], bytes] = bytes

_OPENED: dict[str, tuple[str, Callable[[KitCase], KitCase], Callable[[bytes], bytes]]] = {
    "another-text-under-the-right-salt": ("outsider", lambda case: case, _other_text),
    "another-text-in-a-single-cell": ("outsider", lambda case: case, _other_cell),
    "exact-length-in-a-coarse-column": ("insider", _tokens_shown, _SAME),
}
"""Attacks on what is opened: by whom, and the same done to the small case and to its escrow."""


def _opened_otherwise(attack: Attack) -> Vector:
    character, alters, opens = _OPENED[attack.name]
    closed, escrow = _closed(TEXTS, coarse=LENGTHS)
    case = alters(closed)
    vector = Vector(
        f"{character}-{attack.name}",
        character,
        attack.what,
        attack.effect,
        attack.policy(),
        case.to_bytes(),
        addressed(opens(escrow), case),
    )
    return _as_declared(vector, attack.refused_by)


def _as_declared(vector: Vector, declared: Collection[str]) -> Vector:
    if set(vector.expected()["failing"]) != set(declared):  # type: ignore[call-overload]
        raise ValueError(f"{vector.name}: {vector.expected()}, declared {declared}")
    return vector


def write(chosen: Collection[str]) -> int:
    """Write these vectors, or all, into folders of their own; what was there before is gone."""
    made = [vector for vector in vectors() if not chosen or vector.name in chosen]
    if not chosen:
        shutil.rmtree(FOLDER, ignore_errors=True)
    for vector in made:
        folder = FOLDER / vector.name
        shutil.rmtree(folder, ignore_errors=True)
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
        if vector.escrow is not None:
            about["escrow"] = "escrow.json"
            (folder / "escrow.json").write_bytes(vector.escrow)
        (folder / "vector.json").write_bytes(
            msgspec.json.format(canonical.write(about), indent=2) + b"\n"
        )
        read_policy((folder / "policy.json").read_bytes(), where=vector.name)
    return len(made)


if __name__ == "__main__":
    sys.stdout.write(f"{write(sys.argv[1:])} vectors in fixtures/vectors\n")
