"""A result is in the store whole or not at all; a unit that is there is not done again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from safetycase.run.engines.local import InProcess
from safetycase.run.progress import Silent
from safetycase.run.units import Store, Unit

run_units = InProcess().run_units


def unit(name: str, calls: list[str]) -> Unit:
    def work() -> bytes:
        calls.append(name)
        return f"[{name!r}]\n".encode()

    return Unit({"name": name}, 3, work)


def test_results_come_in_order_and_work_is_done_once(tmp_path: Path) -> None:
    calls: list[str] = []
    units = [unit(name, calls) for name in ("b", "a", "c")]
    first = run_units(units, Store(tmp_path), Silent())
    again = run_units([units[2], units[0]], Store(tmp_path), Silent())
    assert first == [b"['b']\n", b"['a']\n", b"['c']\n"]
    assert again == [first[2], first[0]]
    assert calls == ["b", "a", "c"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data.replace(b"a", b"z", 1),
        lambda _: b"",
        lambda data: data + b"\n",
    ],
)
def test_a_damaged_result_is_done_again(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    calls: list[str] = []
    one = unit("a", calls)
    store = Store(tmp_path)
    [result] = run_units([one], store, Silent())
    file = tmp_path / f"{one.key}.jsonl"
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert store.read(one.key) is None
    assert run_units([one], store, Silent()) == [result]
    assert file.read_bytes() == whole
    assert calls == ["a", "a"]


def test_an_empty_result_is_a_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("0" * 64, b"")
    assert store.read("0" * 64) == b""


def test_work_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_units([Unit({"name": "a"}, 1, fail)], Store(tmp_path), Silent())
    assert not list(tmp_path.iterdir())


def test_progress_is_told_rows_also_of_finished_units(tmp_path: Path) -> None:
    told: list[int] = []

    class Listener(Silent):
        def advance(self, parts: int) -> None:
            told.append(parts)

    calls: list[str] = []
    for _ in range(2):
        run_units([unit("a", calls), unit("b", calls)], Store(tmp_path), Listener())
    assert told == [3, 3, 3, 3]


def test_keys_are_of_content_not_of_order() -> None:
    one = Unit({"a": 1, "b": [2, 3]}, 1, bytes).key
    assert Unit({"b": [2, 3], "a": 1}, 99, bytes).key == one
    assert Unit({"b": [3, 2], "a": 1}, 1, bytes).key != one
