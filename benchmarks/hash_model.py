"""How fast a model's files are digested and bound, beside one pass of sha256 over them.

Three figures in turn, seconds of processor: sha256 of the file; file and tensors in one read
(`digest.hash_tensors`); and all reading of the same file that a run does before it loads the
model: its entry in the manifest when the plan is frozen, and the root of its tensors when the
plan is bound. Without a file, one of random numbers is made.

    python -m benchmarks.hash_model [FILE.safetensors] [--mib 512] [--runs 5]
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from benchmarks.spent import Spent, load_average
from safetycase.digest import hash_file, hash_tensors, tensor_root

TENSORS = 64


def one_pass(path: Path) -> str:
    """What the standard library does of it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bound(path: Path) -> str:
    """What freezing and binding do of it."""
    hash_file(path)
    return tensor_root(path)


def made(folder: Path, mib: int) -> Path:
    """A file of `mib` MiB in some tensors."""
    rng = np.random.default_rng(1)
    path = folder / "model.safetensors"
    size = mib * 2**18 // TENSORS
    tensors = {f"t{n}": rng.random(size, dtype=np.float32) for n in range(TENSORS)}
    save_file(tensors, path)
    return path


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.file or made(Path(folder), given.mib)
        size = path.stat().st_size / 1e6
        digest = one_pass(path)
        if hash_tensors(path).file.sha256 != digest or hash_file(path).sha256 != digest:
            raise SystemExit("the digests differ")
        ways: dict[str, Callable[[Path], object]] = {
            "sha256 in one pass": one_pass,
            "file and tensors in one read": hash_tensors,
            "manifest entry, then tensor root": bound,
        }
        spent: dict[str, list[Spent]] = {name: [] for name in ways}
        for _ in range(given.runs):
            for name, way in ways.items():
                account = Spent()
                with account.counted():
                    way(path)
                spent[name].append(account)
    print(f"{size:.0f} MB, median of {given.runs} runs; {load_average()}")
    least = spent["sha256 in one pass"]
    for name, accounts in spent.items():
        wall = statistics.median(account.wall for account in accounts)
        rates = [one.wall / all_.wall for one, all_ in zip(least, accounts, strict=True)]
        used = [
            one.processor / all_.processor for one, all_ in zip(least, accounts, strict=True)
        ]
        print(
            f"{name:<34}{size / wall:7.0f} MB/s  {statistics.median(rates):5.0%} of the rate "
            f"of one pass ({statistics.median(used):.0%} of processor)"
        )


if __name__ == "__main__":
    main()
