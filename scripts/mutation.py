"""How many wrong programs the tests would notice: mutation testing of the trusted part.

Run by `make mutation`. Of each of canonical, digest, envelope, methods and verify, SAMPLE
mutants (those whose names hash lowest, so the same ones again) are given to the tests; mutants
that change but the words of a refusal are set aside. Prints, and with ``--write`` keeps, the
share that some test refuses. With ``--again`` only those are tried that were not yet, or that
lived.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
from mutation_change import Change, change
from mutation_tree import PARTS, grow

from safetycase.methods.interval import clopper_pearson

ROOT = Path(__file__).resolve().parents[1]
TREE = ROOT / "mutants"
RESULTS = TREE / "results.jsonl"
PAGE = ROOT / "docs" / "mutation.md"
EQUIVALENT = ROOT / "scripts" / "equivalent_mutants.toml"
LEVEL = 0.95
FATES = ("killed", "hung", "equivalent", "survived")
HEAD = """# Mutation testing

What the tests notice when the trusted part is changed. mutmut {version} changes one thing in
one function at a time; a mutant is *killed* if a test then fails. Made by `make mutation`
(outside CI) at commit `{commit}` of {date}: of each part, the mutants whose names hash lowest.
{total} mutants took {minutes} minutes of processor time.

Tests are asked until one fails: all unit tests of the module, and, until six seconds of
processor time are spent, of a check the attacks that it refuses, of other modules the unit
tests that import them, then the honest cases of the kit that run the line, more attacks, and
the tests that alter one thing in a case (`scripts/mutation_run.py`). The leaf sweep, the
outside vectors, the frauds, the runner's tests and the second verifier are left out, so these
scores are low ends of what the whole of the tests would notice.

"""
TAIL = """
*Words*: the mutant changes nothing but the words or the place that a refusal tells; it is set
aside, untried. Tests hold the fields of errors where a user acts on them, not every sentence.
*Hung*: stopped after forty seconds of processor time; it counts as killed. *Equivalent*:
nothing that anybody can observe changes, for the reason given below; the score leaves it out.
Intervals are Clopper-Pearson, 95 %, over the sample. Code outside functions (constants, fields
of records) is not mutated.

"""
ITS_OWN = """Tests were written for what first lived of this very sample, so that another
(`--salt`) would score less.
"""
ANOTHER = """The sample (`--salt {salt}`) was drawn when the tests stood as they are: no test
was written for what lived of it.
"""
TITLES = (
    "part",
    "mutants",
    "words",
    "tried",
    "killed",
    "hung",
    "equivalent",
    "survived",
    "score",
)


@dataclass(frozen=True)
class Tried:
    """A mutant, what became of it, and what it changes if it lives."""

    name: str
    fate: str
    change: Change | None = None
    why: str = ""


@dataclass(frozen=True)
class Sample:
    """Mutants to try, and how many beside them change but words."""

    names: list[str]
    words: int


def drawn(names: list[str], size: int, salt: str = "") -> Sample:
    """Those whose names hash lowest and that change more than words; all if `size` is 0."""
    ordered = sorted(names, key=lambda name: hashlib.sha256((salt + name).encode()).digest())
    kept: list[str] = []
    words = 0
    for name in ordered:
        if size and len(kept) == size:
            break
        if change(TREE, name).only_words:
            words += 1
        else:
            kept.append(name)
    return Sample(kept, words)


def results() -> dict[str, dict[str, Any]]:
    """The last line about each mutant, by its name."""
    lines = RESULTS.read_bytes().splitlines() if RESULTS.exists() else []
    decoded = map(msgspec.json.decode, lines)
    return {line["name"]: line for line in decoded}


def run(names: list[str], jobs: int) -> None:
    """Try mutants in a process of their own."""
    (TREE / "todo.json").write_bytes(msgspec.json.encode(names))
    command = [sys.executable, "scripts/mutation_run.py", "todo.json", str(RESULTS), str(jobs)]
    command[1] = str(ROOT / command[1])
    subprocess.run(command, cwd=TREE, env=os.environ | {"PYTHONPATH": str(TREE)}, check=True)


def fate_of(name: str, fate: str, known: list[dict[str, str]]) -> Tried:
    """A mutant with its fate; of one that lives, what it changes too."""
    if fate != "alive":
        return Tried(name, "hung" if fate == "hung" else "killed")
    found = change(TREE, name)
    function = name.rpartition("__mutmut_")[0].removeprefix("safetycase.")
    for each in known:
        if (each["function"], each["after"]) == (function, found.after):
            return Tried(name, "equivalent", found, each["why"])
    return Tried(name, "survived", found)


def row(part: str, total: int, words: int, mutants: list[Tried]) -> str:
    """A line of the table."""
    counts = {fate: sum(each.fate == fate for each in mutants) for fate in FATES}
    dead = counts["killed"] + counts["hung"]
    counted = dead + counts["survived"]
    interval = clopper_pearson(dead, counted, LEVEL)
    score = f"{dead / counted:.1%} ({interval.low:.0%} to {interval.high:.0%})"
    cells = (part, total, words, len(mutants), *counts.values(), score)
    return f"| {' | '.join(map(str, cells))} |"


def listed(mutants: list[Tried]) -> Iterator[str]:
    """Survivors and equivalents by name."""
    for title, fate in (("Survivors", "survived"), ("Equivalent", "equivalent")):
        yield f"\n## {title}\n"
        chosen = [each for each in mutants if each.fate == fate]
        for each in chosen:
            yield f"* `{each.name.removeprefix('safetycase.')}`{_told(each)}"
        if not chosen:
            yield "None."


def _told(mutant: Tried) -> str:
    if mutant.change is None:
        return ""
    before, after = (
        text.replace("`", "'") for text in (mutant.change.before, mutant.change.after)
    )
    why = f" {mutant.why}" if mutant.why else ""
    return f": `{before}` became `{after}`.{why}"


def head(total: int, seconds: float) -> str:
    """What stands above the table."""
    told = subprocess.run(
        ["git", "log", "-1", "--format=%h %cs"],  # noqa: S607 — git, wherever it is
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    return HEAD.format(
        version=version("mutmut"), commit=told[0], date=told[1], total=total,
        minutes=round(seconds / 60),
    )  # fmt: skip


def main() -> None:
    """Make the mutants, try the sample, print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=100, help="mutants a part; 0: all")
    parser.add_argument("--salt", default="", help="any text: another sample")
    parser.add_argument("--part", action="append", choices=PARTS, help="none: all five")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tried at a time")
    parser.add_argument("--again", action="store_true", help="only those untried or alive")
    parser.add_argument("--write", action="store_true", help="keep the page in docs")
    options = parser.parse_args()
    every = grow(ROOT, TREE)
    samples = {
        part: drawn(every[part], options.sample, options.salt) for part in options.part or PARTS
    }
    if not options.again:
        RESULTS.unlink(missing_ok=True)
    dead = {name for name, line in results().items() if line["fate"] != "alive"}
    todo = [name for each in samples.values() for name in each.names if name not in dead]
    if todo:
        run(todo, options.jobs)
    known = tomllib.loads(EQUIVALENT.read_text()).get("equivalent", [])
    lines = results()
    rows, tried = [], []
    for part, sample in samples.items():
        mutants = [fate_of(name, lines[name]["fate"], known) for name in sample.names]
        rows.append(row(part, len(every[part]), sample.words, mutants))
        tried += mutants
    seconds = sum(lines[each.name]["seconds"] for each in tried)
    table = [f"| {' | '.join(TITLES)} |", "| --- " * len(TITLES) + "|", *rows]
    drawn_for = ANOTHER.format(salt=options.salt) if options.salt else ITS_OWN
    below = [TAIL.rstrip("\n"), "", drawn_for.rstrip("\n"), *listed(tried)]
    text = head(len(tried), seconds) + "\n".join([*table, *below]) + "\n"
    sys.stdout.write(text)
    if options.write:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
