"""What a piece of work took: seconds of the wall and of the processor, and peak memory."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch


@dataclass
class Spent:
    """Seconds of the wall and of the processor, and the process's peak memory meanwhile."""

    wall: float = 0.0
    processor: float = 0.0
    peak: float = 0.0
    on_device: float = 0.0
    """GiB that torch held on GPUs at the peak; nothing else's."""
    calls: int = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """What happens inside is added."""
        _forget_peak()
        _wait_for_gpus()
        wall, processor = time.perf_counter(), time.process_time()
        yield
        _wait_for_gpus()
        self.wall += time.perf_counter() - wall
        self.processor += time.process_time() - processor
        self.peak = max(self.peak, _peak())
        self.on_device = max(self.on_device, _peak_of_gpus())
        self.calls += 1

    def ratio(self, other: Spent, share: float = 1.0) -> str:
        """How many times the other's this took, if it did `share` of the same work."""
        wall = share * self.wall / other.wall
        return f"ratio {wall:.2f} (of processor {share * self.processor / other.processor:.2f})"

    def line(self, name: str, answers: int) -> str:
        """One line of a table."""
        device = f", {self.on_device:.2f} GiB on the device" if self.on_device else ""
        return (
            f"{name:<34}{self.wall:8.1f} s  {self.processor:8.1f} s of processor  "
            f"{1000 * self.wall / answers:8.1f} ms an answer  peak {self.peak:.2f} GiB{device}"
        )


def _wait_for_gpus() -> None:
    """What is asked of a GPU is done later: until then no time can be taken."""
    if torch.cuda.is_initialized():
        for number in range(torch.cuda.device_count()):
            torch.cuda.synchronize(number)


def _peak_of_gpus() -> float:
    if not torch.cuda.is_initialized():
        return 0.0
    return sum(map(torch.cuda.max_memory_allocated, range(torch.cuda.device_count()))) / 2**30


def _forget_peak() -> None:
    """Linux can begin a peak anew; elsewhere it stays that of the whole process."""
    if torch.cuda.is_initialized():
        for number in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(number)
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return


def _peak() -> float:
    """GiB of resident memory at the peak."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(x for x in status.read_text("ascii").splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def load_average() -> str:
    """How busy the machine was: processes that wanted a core in the last minute."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
