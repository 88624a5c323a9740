"""How long a cold `safetycase verify` takes, beside what no verifier could do without.

The floor is a process that imports the same third-party packages, inflates every member of
the case, hashes it and decodes its rows with msgspec. Runs of both are interleaved, as of an
installed package: compiled modules are kept, in a folder of their own, after one run that is
not counted. Printed are wall seconds, and the ratio of seconds of processor.

    python benchmarks/verify_cold.py CASE --policy POLICY [--runs 7]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
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


def seconds(command: list[str], cache: str) -> tuple[float, float]:
    """Wall and processor time of a process; refused if it fails."""
    kept = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    start, used = time.perf_counter(), _children()
    done = subprocess.run(
        command, capture_output=True, check=False, env=kept | {"PYTHONPYCACHEPREFIX": cache}
    )
    elapsed = time.perf_counter() - start, _children() - used
    if done.returncode:
        sys.exit(f"{command[:3]} ended with {done.returncode}: {done.stderr.decode()[-500:]}")
    return elapsed


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


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
    with tempfile.TemporaryDirectory() as cache:
        pairs = [(seconds(verify, cache), seconds(floor, cache))]
        pairs = [(seconds(verify, cache), seconds(floor, cache)) for _ in range(options.runs)]
    cold, least = (statistics.median(pair[n][0] for pair in pairs) for n in (0, 1))
    ratio = statistics.median(v / f for (_, v), (_, f) in pairs)
    print(f"verify, cold process   {cold:.2f} s (median of {options.runs})")
    print(f"imports, inflate, hash, decode alone   {least:.2f} s")
    print(f"ratio of processor time   {ratio:.2f}")


if __name__ == "__main__":
    main()
