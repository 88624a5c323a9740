"""How long `verify` takes for a case with many scored rows, beside what nobody could spare.

The case is the kit's toy with as many two-choice questions as it takes, under some hundred
controls: wholly valid, signed, every figure derived from its rows. The floor is the time that
the same process needs to inflate all members, hash them and decode their rows with msgspec,
each once, row by row and without keeping anything. Both are one thread; times are seconds of
processor, so that a busy machine does not change them much. Text regrading is timed on its own.

    python -m benchmarks.verify_rows --rows 100000 1000000 10000000 [--folder DIR] [--runs 3]
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.many_rows import write_many_rows
from safetycase.bundle.reader import Container, open_case
from safetycase.methods.grade import TextGrader
from safetycase.record.planned_evaluation import Generate
from safetycase.tables.columns import Answers
from safetycase.tables.rows import TABLES, GenerationRow
from safetycase.verify.case import OpenedCase
from safetycase.verify.engine import verify
from safetycase.verify.policy import load_policy

AT = "2026-11-22T16:00:00Z"
TEXTS = 200_000


def lines_of(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines, some at a time."""
    begun = b""
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        yield begun + piece[:end]
        begun = piece[end:]


def least(container: Container) -> float:
    """Seconds to inflate every member, hash it and decode its rows."""
    start = time.process_time()
    for name in container.names:
        hasher = hashlib.sha256()

        def hashed(name: str = name, hasher: hashlib._Hash = hasher) -> Iterator[bytes]:
            for piece in container.stream(name):
                hasher.update(piece)
                yield piece

        if not name.endswith(".jsonl"):
            for _ in hashed():
                pass
            continue
        kind = name.removeprefix("evidence/").removesuffix(".jsonl")
        decoder = msgspec.json.Decoder(TABLES[kind])
        for number, lines in enumerate(lines_of(hashed())):
            decoder.decode_lines(lines.partition(b"\n")[2] if number == 0 else lines)
        hasher.hexdigest()
    return time.process_time() - start


def texts_per_second(case: OpenedCase) -> tuple[float, float]:
    """Rows regraded a second: if every text is a new one, and as the case's texts repeat."""
    evaluation = next(e for e in case.plan.evaluations if isinstance(e.measure, Generate))
    given = case.answers("generations")
    items = {row.item: row.target for row in case.rows("items")}
    rows = [given[n % len(given)] for n in range(TEXTS)]
    new = [
        msgspec.structs.replace(row, output=f"{row.output} and so on {n} times over")
        for n, row in enumerate(rows)
        if isinstance(row, GenerationRow)
    ]
    rates = []
    for batch in (new, rows):
        answers = Answers.of(batch)
        targets = [items[item] for item in answers.item]
        grader = TextGrader(case.plan.coherence, evaluation.measure.grader)
        start = time.process_time()
        grader.grade(answers, targets)
        rates.append(TEXTS / (time.process_time() - start))
    return rates[0], rates[1]


def measure(path: Path, policy_path: Path, runs: int) -> None:
    """Print one line for a case; peak memory is taken before anything but `verify` has run."""
    policy = load_policy(policy_path)
    verifying, reading = [], []
    peak = 0
    for _ in range(runs):
        start = time.process_time()
        verdict = verify(path, policy, at=AT)
        verifying.append(time.process_time() - start)
        peak = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if not verdict.verified:
            sys.exit(f"the case does not verify: {verdict.reason}")
        del verdict
        reading.append(least(open_case(path)))
    rows = next(len(open_rows) for open_rows in [OpenedCase(path, policy, AT).rows("choices")])
    seconds, floor = float(np.median(verifying)), float(np.median(reading))
    ratio = float(np.median([v / f for v, f in zip(verifying, reading, strict=True)]))
    print(
        f"{rows:>10} rows   floor {floor:7.2f} s   verify {seconds:7.2f} s   "
        f"ratio {ratio:5.2f}   peak {peak / 1024:6.0f} MiB   {rows / seconds:9.0f} rows/s",
        flush=True,
    )


def measure_texts(path: Path, policy_path: Path) -> None:
    """Print how many texts are regraded a second."""
    new, repeated = texts_per_second(OpenedCase(path, load_policy(policy_path), AT))
    print(f"text regrading: {new:.0f} different texts/s, {repeated:.0f} rows/s as they repeat")


def main() -> None:
    """Write the cases that are not there yet, and measure each in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--texts", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        policy = options.measure.with_suffix(".policy.yaml")
        if options.texts:
            measure_texts(options.measure, policy)
        else:
            measure(options.measure, policy, options.runs)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = options.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        for rows in options.rows:
            path = folder / f"rows-{rows}.safetycase"
            if not path.exists():
                write_many_rows(path, path.with_suffix(".policy.yaml"), rows)
            command = [sys.executable, "-m", "benchmarks.verify_rows", "--measure", str(path)]
            subprocess.run([*command, "--runs", str(options.runs)], check=True)
        subprocess.run([*command, "--texts"], check=True)


if __name__ == "__main__":
    main()
