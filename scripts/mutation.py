"""How many wrong programs the tests would notice: mutation testing of the trusted part.

Run by `make mutation`. mutmut makes every mutant of canonical, digest, envelope, methods and
verify; of each of the five, SAMPLE mutants (drawn by a hash, so the same ones again) are given
to the unit tests. Prints, and with ``--write`` keeps, the share that some test refuses.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

import msgspec

from safetycase.methods.interval import clopper_pearson

ROOT = Path(__file__).resolve().parents[1]
MUTANTS = ROOT / "mutants" / "safetycase"
PARTS = ("canonical", "digest", "envelope", "methods", "verify")
PAGE = ROOT / "docs" / "mutation.md"
SURVIVED = frozenset({0, 33})
"""Exit codes of a mutant that every test passes, or that no test reaches."""
LEVEL = 0.95
HEAD = """# Mutation testing

What the unit tests notice when the trusted part is changed: `make mutation` (outside CI).
mutmut {version} changes one thing in one function at a time; a mutant is *killed* if a test
then fails. Tests are those under `tests/unit` of the five parts; the attack kit and the
vectors, which would kill more, are left out because they take minutes a mutant.

"""
TAIL = """
*Words*: the mutant changes nothing but the words or the place that a refusal tells (an argument
of a `raise`, a text). Tests hold the fields of errors where a user acts on them, not every
sentence. The score leaves these mutants out; the last column does not. Intervals are
Clopper-Pearson, 95 %, over the sample.
"""


def mutmut(*arguments: str) -> str:
    """What mutmut says; its exit code is not a verdict."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout


def exit_codes(part: str) -> dict[str, int | None]:
    """Every mutant of a part with the exit code of its tests; none: not tried."""
    files = sorted([*MUTANTS.glob(f"{part}.py.meta"), *MUTANTS.glob(f"{part}/**/*.meta")])
    codes: dict[str, int | None] = {}
    for file in files:
        codes |= msgspec.json.decode(file.read_bytes())["exit_code_by_key"]
    return codes


def drawn(names: list[str], size: int) -> list[str]:
    """The sample: those whose names hash lowest; all if `size` is 0."""
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    return ordered[: size or None]


def only_words(name: str) -> bool:
    """Whether a mutant changes nothing but what a refusal says, or some other text."""
    lines = mutmut("show", name).splitlines()
    before, after = (
        [line[1:] for line in lines if line[:1] == sign and line[:3] != 3 * sign]
        for sign in "-+"
    )
    if not before or not after:
        return False
    refusal = any(
        word in line
        for line in before
        for word in ("raise ", "expected=", "found=", "remedy=", "Fault", "where=")
    )
    return refusal or _same_without_texts(before, after)


def _same_without_texts(before: list[str], after: list[str]) -> bool:
    def stripped(lines: list[str]) -> str:
        return "".join(lines).replace("XX", "").casefold()

    return stripped(before) == stripped(after)


def row(part: str, sample: list[str], total: int) -> str:
    """A line of the table."""
    codes = exit_codes(part)
    tried = [name for name in sample if codes.get(name) is not None]
    alive = [name for name in tried if codes[name] in SURVIVED]
    words = [name for name in alive if only_words(name)]
    for name in sorted(set(alive) - set(words)):
        sys.stderr.write(f"survived: {name}\n")
    killed, counted = len(tried) - len(alive), len(tried) - len(words)
    interval = clopper_pearson(killed, counted, LEVEL)
    score = f"{killed / counted:.1%} ({interval.low:.0%} to {interval.high:.0%})"
    return (
        f"| {part} | {total} | {len(tried)} | {killed} | {len(words)} | "
        f"{len(alive) - len(words)} | {score} | {killed / len(tried):.1%} |\n"
    )


def main() -> None:
    """Make the mutants, try the sample, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=100, help="mutants a part; 0: all")
    parser.add_argument("--write", action="store_true", help="keep the table in docs")
    options = parser.parse_args()
    mutmut("run", "safetycase.canonical.x_read__mutmut_1")
    every = {part: list(exit_codes(part)) for part in PARTS}
    samples = {part: drawn(names, options.sample) for part, names in every.items()}
    mutmut("run", *(name for sample in samples.values() for name in sample))
    version = mutmut("version").strip().split()[-1:] or ["3"]
    page = HEAD.format(version=version[0])
    page += "| part | mutants | tried | killed | words | other survivors | score | of all |\n"
    page += "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
    for part, sample in samples.items():
        page += row(part, sample, len(every[part]))
    page += TAIL
    sys.stdout.write(page)
    if options.write:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
