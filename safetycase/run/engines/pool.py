"""Units on several workers: each takes the next one, a lost worker's unit is done by another.

Knows nothing of how a worker is reached; the process that runs everything else writes all
results, so that the store has one writer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Protocol

from safetycase.errors import RunFailed
from safetycase.run.engines.engine import FAILURES, TRIES, Attempts, told
from safetycase.run.progress import Progress
from safetycase.run.units import Store, Unit


@dataclass(frozen=True)
class Reply:
    """What a worker says: a result, or what went wrong, and whether it is lost by that."""

    result: bytes = b""
    problem: str | None = None
    lost: bool = False
    seconds: float = 0.0


class Worker(Protocol):
    """A process that has a bench of its own."""

    def begin(self) -> Reply:
        """Wait until it has loaded its bench; a problem if it cannot."""

    def do(self, key: str, task: bytes) -> Reply:
        """Wait until it has done a task, whose unit must have this key."""

    def close(self) -> None:
        """End it, whatever it is doing; whoever waits for it gets a reply."""


class Pool:
    """Workers that are started when the first unit needs them."""

    def __init__(self, start: Callable[[int], Worker], workers: int) -> None:
        """`start` makes the worker of a slot; slots are counted from 0."""
        self._start = start
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self._free: SimpleQueue[int] = SimpleQueue()
        for slot in range(workers):
            self._free.put(slot)
        self._workers: dict[int, Worker] = {}
        self._closed = False

    def run_units(self, units: Sequence[Unit], store: Store, progress: Progress) -> list[bytes]:
        """Results of all units in their order; those in the store are not done again."""
        attempts = Attempts(store, progress)
        results: dict[str, bytes] = {}
        waiting: dict[Future[Reply], Unit] = {}
        for unit in units:
            known = store.read(unit.key)
            if known is None:
                waiting[self._threads.submit(self._reply, unit)] = unit
            else:
                results[unit.key] = known
                progress.advance(unit.rows)
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                unit, reply = waiting.pop(future), future.result()
                if reply.problem is None:
                    store.write(unit.key, reply.result, seconds=reply.seconds)
                    results[unit.key] = reply.result
                    progress.advance(unit.rows)
                else:
                    attempts.failed(unit, reply.problem)
                    waiting[self._threads.submit(self._reply, unit)] = unit
        return [results[unit.key] for unit in units]

    def close(self) -> None:
        """End all workers; units that nobody has begun are dropped."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._workers.values()):
            worker.close()
        self._threads.shutdown(wait=True)

    def _reply(self, unit: Unit) -> Reply:
        """What comes of one try, in a thread of its own."""
        if unit.portable is None:
            try:
                return Reply(unit.work())
            except FAILURES as error:
                return Reply(problem=told(error))
        slot = self._free.get()
        try:
            worker = self._ready(slot)
            begun = time.monotonic()
            reply = worker.do(unit.key, unit.portable())
            if reply.lost:
                self._workers.pop(slot).close()
            return replace(reply, seconds=time.monotonic() - begun)
        finally:
            self._free.put(slot)

    def _ready(self, slot: int) -> Worker:
        """The worker of a slot, started if there is none; refused if it cannot be."""
        if slot in self._workers:
            return self._workers[slot]
        problem = "closed"
        for _ in range(0 if self._closed else TRIES):
            worker = self._workers[slot] = self._start(slot)
            if self._closed:  # after it was noted: one of the two closes it
                worker.close()
            began = worker.begin()
            if began.problem is None:
                return worker
            problem = began.problem
            self._workers.pop(slot).close()
            if not began.lost or self._closed:
                break
        raise RunFailed(
            f"worker {slot + 1}",
            "a worker with the bench of this run",
            found=problem,
            remedy="Workers need the plan and its files at the same paths, the same versions "
            "of packages and the same kind of processor.",
        )
