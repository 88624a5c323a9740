"""Fuzzing with atheris: `python -m tests.fuzz TARGET [libFuzzer options]`.

TARGET is a parser of `targets.PARSERS`; or `verdict`, the whole verifier on any bytes; or
`case`, the verifier on a small case that is changed in its structure and signed again.
Without TARGET, prints all of them, one a line.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import atheris
import numpy as np

LISTING = len(sys.argv) < 2
with nullcontext() if LISTING else atheris.instrument_imports(include=["safetycase"]):
    from tests.fuzz import targets

CORPORA = Path(".fuzz")


def _case(data: bytes) -> None:
    seed = int.from_bytes(data[:8], "big")
    targets.judged(targets.mutated(np.random.default_rng(seed)).to_bytes())


TARGETS = {**targets.PARSERS, "verdict": targets.judged, "case": _case}


def main(arguments: list[str]) -> None:
    """Fuzz one target until the time or the number of runs given is over."""
    if not arguments:
        sys.stdout.write("".join(f"{name}\n" for name in TARGETS))
        return
    name, *options = arguments
    target = TARGETS[name]
    corpus = CORPORA / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(targets.seeds().get(name, [b"seed"])):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
