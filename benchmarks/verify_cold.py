"""How long a cold `safetycase verify` takes, beside what no verifier could do without.

The floor is a process that imports the same third-party packages, inflates every member of
the case, hashes it and decodes its rows with msgspec. Runs of both are interleaved.

    python benchmarks/verify_cold.py CASE --policy POLICY [--runs 7]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

FLOOR = """
import hashlib, sys, zipfile
import cryptography.hazmat.primitives.asymmetric.ed25519, msgspec, numpy, pydantic, yaml
with zipfile.ZipFile(sys.argv[1]) as case:
    for name in case.namelist():
        data = case.read(name)
        hashlib.sha256(data).hexdigest()
        if name.endswith(".jsonl"):
            msgspec.json.Decoder().decode_lines(data)
"""


def seconds(command: list[str], accepted: set[int]) -> float:
    """Wall time of a process; refuses an exit code that means something else was measured."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)
    elapsed = time.perf_counter() - start
    if done.returncode not in accepted:
        sys.exit(f"{command[:3]} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return elapsed


def main() -> None:
    """Print both medians and their ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", type=Path)
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    case, policy = str(options.case), str(options.policy)
    verify = [sys.executable, "-m", "safetycase", "verify", case, "--policy", policy]
    floor = [sys.executable, "-c", FLOOR, case]
    pairs = [(seconds(verify, {0}), seconds(floor, {0})) for _ in range(options.runs)]
    cold = statistics.median(v for v, _ in pairs)
    least = statistics.median(f for _, f in pairs)
    ratio = statistics.median(v / f for v, f in pairs)
    print(f"verify, cold process   {cold:.2f} s (median of {options.runs})")
    print(f"imports, inflate, hash, decode alone   {least:.2f} s")
    print(f"ratio   {ratio:.2f}")


if __name__ == "__main__":
    main()
