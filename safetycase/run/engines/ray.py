"""Workers as actors of a Ray cluster: an existing one, or one of this machine.

Every node needs this package, the plan and its files, at the same paths.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import ray
from ray.exceptions import RayError
from typing_extensions import override

from safetycase.errors import RunFailed
from safetycase.run.answers import Bench
from safetycase.run.engines.bench_worker import Order, Recipe, do_order, load_bench
from safetycase.run.engines.engine import FAILURES, told
from safetycase.run.engines.pool import Pool, Reply


class _Far:
    """What an actor runs; bytes go in and come out."""

    def __init__(self) -> None:
        """Nothing is loaded yet."""
        self._bench: Bench | None = None

    def begin(self, recipe: bytes) -> bytes:
        """Load the bench."""
        try:
            self._bench = load_bench(msgspec.msgpack.decode(recipe, type=Recipe))
        except FAILURES as error:
            return msgspec.msgpack.encode(Reply(problem=told(error)))
        return msgspec.msgpack.encode(Reply())

    def do(self, order: bytes) -> bytes:
        """Do a task."""
        if self._bench is None:
            return msgspec.msgpack.encode(Reply(problem="no bench", lost=True))
        reply = do_order(self._bench, msgspec.msgpack.decode(order, type=Order))
        return msgspec.msgpack.encode(reply)


class Actor:
    """A worker somewhere in the cluster."""

    def __init__(self, recipe: Recipe) -> None:
        """Ask the cluster for it; it starts when there is room."""
        room = {"num_cpus": recipe.threads, "num_gpus": recipe.gpus}
        remote = ray.remote(**room, max_restarts=0)(_Far)
        self._actor = remote.remote()
        self._recipe = recipe

    def begin(self) -> Reply:
        """Wait until it has loaded its bench."""
        return _asked(self._actor.begin, msgspec.msgpack.encode(self._recipe))

    def do(self, key: str, task: bytes) -> Reply:
        """Wait until it has done a task."""
        return _asked(self._actor.do, msgspec.msgpack.encode(Order(key, task)))

    def close(self) -> None:
        """Kill it; it holds nothing that is not done again."""
        ray.kill(self._actor, no_restart=True)


def connect(address: str | None, recipe: Recipe, *, workers: int) -> None:
    """Join the cluster of an address, or start one here with room for so many workers.

    Refused if a cluster that is there has no room for even one.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        quiet |= {"num_cpus": workers * recipe.threads, "include_dashboard": False}
        quiet |= {"_node_ip_address": "127.0.0.1"}
    try:
        ray.init(address=address or "local", **quiet)
    except Exception as error:  # noqa: BLE001  # Ray raises it bare when a node is slow to start
        raise RunFailed(
            "--engine ray",
            f"the cluster {address}" if address else "a cluster started here",
            found=told(error),
            remedy="On a crowded machine, `ray start --head` and --cluster auto try longer.",
        ) from None
    if address is not None:
        found = float(ray.cluster_resources().get("CPU", 0.0))
        if found < recipe.threads:
            expected = f"{recipe.threads} processors for a worker"
            raise RunFailed(f"cluster {address}", expected, found=f"{found:g}")


class RayPool(Pool):
    """A pool of actors; leaving it leaves the cluster, and ends one that was started here."""

    def __init__(self, recipe: Recipe, workers: int) -> None:
        """Actors start when the first unit needs them."""
        super().__init__(lambda _slot: Actor(recipe), workers)

    @override
    def close(self) -> None:
        """Kill the actors and leave."""
        super().close()
        ray.shutdown()


def _asked(method: Any, message: bytes) -> Reply:  # noqa: ANN401  # ray's own handle
    try:
        return msgspec.msgpack.decode(ray.get(method.remote(message)), type=Reply)
    except RayError as error:
        return Reply(problem=f"its worker was lost: {told(error)}", lost=True)
