"""The attack kit as a table: `python -m tests.kit.table`.

Puts every attack before the verifier and prints what caught it, or the tier it is held at.
With `--write` nothing is run: docs/attacks.md and fixtures/attacks.json are made from what the
attacks declare, which the tests hold to be exact.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from safetycase import canonical
from safetycase.verify.checks import all_checks
from safetycase.verify.engine import verify
from safetycase.verify.judgement import UNDECIDED
from safetycase.verify.outcome import Verdict
from tests.kit import fraud_table
from tests.kit.builder import AT
from tests.kit.cases import HONEST, lenient
from tests.kit.fraud import all_frauds
from tests.kit.register import CHARACTERS, Attack, register_all
from tests.kit.sweep import listed
from tests.kit.trial import failing, must_turn_unknown, tried, turned_unknown

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "attacks.md"
INDEX = REPOSITORY / "fixtures" / "attacks.json"

REFUSED_BY_NOTHING = {
    "ORD-002": "a declared departure from the plan is honest: UNKNOWN, for a reader to judge",
    "FOR-006": "counts that are too even are no proof: UNKNOWN, rows for a reader to have run "
    "again",
    "DES-009": "many missing answers are no fault of the figures, which count them as the "
    "worst: UNKNOWN, and claims stay below *recomputed*",
    "DES-006": "a sample that is too small is no fault of the figures: UNKNOWN, and the claim "
    "stays below *sound*",
    "CTL-003": "too few controls as damaging as the target are no fault of the figures: "
    "UNKNOWN, and the claim stays below *sound*",
}
"""Checks that no attack makes fail, and why."""

_ABOUT = {
    "outsider": "Holds no key. The bytes are verified as the attack leaves them.",
    "insider": "Holds the right key: the case is signed again after the change, and exactly "
    "these checks fail. The same change under the old signatures is refused by the checks in "
    "the last column.",
    "forger": "Recomputes everything consistently and signs it. Not refused, since nothing in "
    "the bytes tells; every claim is held at *recomputed*, below *sound*, until a third "
    "party's time (ORD-001) and somebody else's re-execution (ORD-003) are there.",
}


def attacks_by_check() -> dict[str, list[str]]:
    """Names of the attacks that each check refuses, alone or with others, by its id."""
    attacks = register_all().values()
    return {
        name: [attack.name for attack in attacks if name in attack.refused_by]
        for name in all_checks()
    }


def index_json() -> bytes:
    """fixtures/attacks.json: names of attacks by check id, as the page of checks lists them."""
    return canonical.write(attacks_by_check()) + b"\n"


def page() -> str:
    """docs/attacks.md."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    attacks = list(register_all().values())
    counts = {c: sum(attack.character == c for attack in attacks) for c in CHARACTERS}
    yield "# Attacks"
    yield ""
    yield (
        f"{len(attacks)} attacks on honest cases: {counts['outsider']} by outsiders, "
        f"{counts['insider']} by insiders, {counts['forger']} by forgers. Made from the "
        "attacks themselves (`tests/kit/attacks`) by `python -m tests.kit.table --write`; the "
        "tests hold every line to be exact. `make attacks` puts them before the verifier. What "
        "the checks prove, and what not: [checks](checks.md)."
    )
    for character in CHARACTERS:
        yield ""
        yield f"## {character.capitalize()}s"
        yield ""
        yield _ABOUT[character]
        yield ""
        last = " Without the key |" if character == "insider" else ""
        yield f"| Attack | What is done, and what would follow | Outcome |{last}"
        yield "| --- | --- | --- |" + (" --- |" if last else "")
        for attack in attacks:
            if attack.character == character:
                yield _row(attack)
    yield ""
    yield from fraud_table.section()
    yield ""
    yield "## Checks that no attack makes fail"
    yield ""
    for name, reason in REFUSED_BY_NOTHING.items():
        yield f"* {name}: {reason}. Left open by {', '.join(_left_open(name))}."
    yield ""
    yield from _unchecked()


def _left_open(name: str) -> list[str]:
    """Attacks after which this check alone has no answer."""
    return [f"`{each.name}`" for each in register_all().values() if each.unknown == {name}]


def _unchecked() -> Iterator[str]:
    yield "## What a change goes unseen in"
    yield ""
    yield (
        "Every leaf of case.json and plan.json, every column of every sort of row and a number "
        "of every tensor is changed, one at a time, in small honest cases that hold all of "
        "them together (`tests/kit/small_cases.py`), and the case is signed again "
        "(`tests/kit/sweep.py`). All such changes are refused but these "
        "([fixtures/unchecked_fields.json](../fixtures/unchecked_fields.json)); the tests fail "
        "if one of these is refused, or any other is not. *Slightly* is by a millionth. Of a "
        "redacted case, ledger, marks, withheld cells and escrow are changed likewise "
        "(`tests/kit/redacted_sweep.py`): *closed* is without the escrow, *opened* with it."
    )
    yield ""
    yield "| Place | Why nothing in a case can tell |"
    yield "| --- | --- |"
    before = ""
    for place, reason in listed().items():
        before = before if reason == "the same" else reason
        yield f"| `{place}` | {before} |"


def _row(attack: Attack) -> str:
    told = f"{attack.what} *{attack.effect}*"
    cells = [f"`{attack.name}`", told.replace("|", r"\|"), _declared(attack)]
    if attack.character == "insider":
        bare = attack.as_outsider
        cells.append("the change is in no signed file" if bare is None else _linked(bare))
    return f"| {' | '.join(cells)} |"


def _declared(attack: Attack) -> str:
    if attack.character == "forger":
        return "held at *recomputed*"
    if attack.undecided:
        return f"left undecided by {_linked(attack.unknown)}"
    return _linked(attack.refused_by) if attack.refused_by else "let through, without effect"


def _linked(checks: frozenset[str]) -> str:
    known = all_checks()
    ordered = [name for name in known if name in checks]
    return ", ".join(f"[{n}](checks.md#{_anchor(n, known[n].title)})" for n in ordered)


def _anchor(name: str, title: str) -> str:
    text = f"{name} {title}".lower()
    kept = "".join(c for c in text if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def _outcome(attack: Attack, verdict: Verdict) -> str:
    bad = [name for name in all_checks() if name in failing(verdict)]
    if bad:
        return f"refused by {', '.join(bad)}"
    if verdict.exit_code == UNDECIDED:
        return f"left undecided by {', '.join(sorted(turned_unknown(attack, verdict)))}"
    tiers = sorted({claim.tier for claim in verdict.claims})
    held = f"held at {', '.join(tiers)}"
    return held if attack.character == "forger" else f"without effect, {held}"


def _as_declared(attack: Attack, verdict: Verdict) -> bool:
    if attack.undecided:
        asked = turned_unknown(attack, verdict) == must_turn_unknown(attack)
        return asked and verdict.exit_code == UNDECIDED
    refused = failing(verdict) == attack.refused_by
    return refused and verdict.exit_code == (1 if attack.refused_by else 0)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Write the generated files, or run all attacks and print what became of them."""
    if arguments == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
        INDEX.write_bytes(index_json())
        _say(f"{PAGE.name} and {INDEX.name} written")
        return 0
    surprises = _attacks_tried() + _frauds_tried() + _honest_tried()
    _say(f"{surprises} not as declared")
    return 1 if surprises else 0


def _attacks_tried() -> int:
    attacks = list(register_all().values())
    surprises = 0
    for attack in attacks:
        verdict = tried(attack)
        expected = _as_declared(attack, verdict)
        surprises += not expected
        mark = " " if expected else "!"
        _say(f"{mark} {attack.character:<8}  {attack.name:<46}  {_outcome(attack, verdict)}")
    claimed = [attack for attack in attacks if attack.refused_by or attack.unknown]
    caught = len(claimed) - sum(not _as_declared(attack, tried(attack)) for attack in claimed)
    _say(f"{len(attacks)} attacks: {caught} of {len(claimed)} claimed as covered are caught")
    return surprises


def _frauds_tried() -> int:
    frauds = list(all_frauds().values())
    surprises = 0
    for each in frauds:
        expected, what = fraud_table.outcome(each)
        surprises += not expected
        _say(f"{' ' if expected else '!'} fraud     {each.name:<46}  {what}")
    _say(f"frauds: {fraud_table.summary()}")
    return surprises


def _honest_tried() -> int:
    alarms = 0
    for name, build in HONEST.items():
        verdict = verify(build().to_bytes(), lenient(), at=AT)
        alarms += verdict.exit_code != 0
        held = ", ".join(str(claim.holds) for claim in verdict.claims)
        _say(f"{'!' if verdict.exit_code else ' '} honest    {name:<46}  claims hold: {held}")
    _say(f"{len(HONEST)} honest cases: {alarms} false alarms")
    return alarms


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
