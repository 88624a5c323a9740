"""A plan that waits for a value: what is refused at once, and what the case then holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from safetycase.bundle import layout
from safetycase.bundle.reader import open_case
from safetycase.bundle.writer import add_members
from safetycase.envelope.beacon import QUICKNET
from safetycase.envelope.dsse import write_envelope
from safetycase.errors import SafetyCaseError
from safetycase.run.awaited import ValueFiles, with_value
from safetycase.run.bind import RunOptions, bind
from safetycase.run.engines.bench_worker import load_bench
from safetycase.run.engines.choose import recipe_of
from safetycase.run.freeze import FrozenPlan, freeze
from safetycase.run.pipeline import run
from safetycase.run.progress import Silent
from safetycase.sign.signer import case_payload, sign_payload
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import keys
from tests.kit.toy_order import (
    BEACON,
    ed25519_of,
    receipt,
    receipt_saying,
    trusting,
    witness,
)
from tests.unit.run.test_pipeline import Clock, write_plan
from tests.unit.run.tiny_world import Tiny, plan_value

pytestmark = pytest.mark.run

NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)
EARLY = "2026-01-02T02:00:00Z"
QUICKNET_ROUND = 657413
QUICKNET_SIGNATURE = (
    "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be"
    "41076862b98fad56e91a6b85b89cd97b"
)


def now() -> datetime:
    return NOW


def waiting(tiny: Tiny, **awaited: Any) -> FrozenPlan:
    return freeze(write_plan(tiny, plan_value() | {"randomness": awaited}))


def for_witness(tiny: Tiny) -> FrozenPlan:
    return waiting(tiny, source="witness", public=ed25519_of(witness()))


def written(folder: Path, data: bytes) -> Path:
    path = folder / "given"
    path.write_bytes(data)
    return path


def test_the_nonce_of_a_receipt_seeds_the_case(tiny: Tiny, tmp_path: Path) -> None:
    frozen = for_witness(tiny)
    path = written(tmp_path, receipt(frozen.data, EARLY))
    known = with_value(frozen, ValueFiles(receipt=path), clock=now)
    assert known.digest == frozen.digest == frozen.seed
    assert known.value is not None
    assert known.seed not in {frozen.digest, known.value}
    [(name, data)] = known.statements.items()
    assert name.startswith(layout.RECEIPT_PREFIX)
    assert data == path.read_bytes()


Gives = Callable[[FrozenPlan], bytes]


@pytest.mark.parametrize(
    ("gives", "expected"),
    [
        (lambda _: receipt_saying("0" * 64, {"nonce": "0" * 64, "received": EARLY}, witness()),
         "a receipt of the plan"),
        (lambda f: receipt_saying(f.digest, {"nonce": "0" * 64, "received": EARLY},
                                  witness("other")), "a signature by the witness"),
        (lambda f: receipt(f.data, "2026-01-03T00:00:00Z"), "a receipt from before the run"),
        (lambda f: receipt_saying(f.digest, {"nonce": "0"}, witness()), "a receipt"),
        (lambda _: b"{}", "payload"),
    ],
)  # fmt: skip
def test_a_receipt_that_gives_no_value_is_refused_at_once(
    tiny: Tiny, tmp_path: Path, gives: Gives, expected: str
) -> None:
    frozen = for_witness(tiny)
    path = written(tmp_path, gives(frozen))
    with pytest.raises(SafetyCaseError, match=expected):
        with_value(frozen, ValueFiles(receipt=path), clock=now)


def round_json(number: int, signature: str) -> bytes:
    return json.dumps({"round": number, "randomness": "", "signature": signature}).encode()


def test_a_real_round_is_taken(tiny: Tiny, tmp_path: Path) -> None:
    frozen = waiting(tiny, source="beacon", chain=QUICKNET.chain, round=QUICKNET_ROUND)
    path = written(tmp_path, round_json(QUICKNET_ROUND, QUICKNET_SIGNATURE))
    known = with_value(frozen, ValueFiles(beacon=path), clock=now)
    assert known.randomness is not None
    assert known.randomness.signature == QUICKNET_SIGNATURE
    with pytest.raises(SafetyCaseError, match="a round that is public"):
        with_value(
            frozen, ValueFiles(beacon=path), clock=lambda: datetime(2023, 1, 1, tzinfo=UTC)
        )


def test_the_round_of_another_chain_is_taken_as_it_is(tiny: Tiny, tmp_path: Path) -> None:
    frozen = waiting(tiny, source="beacon", chain=BEACON.beacon.chain, round=7)
    path = written(tmp_path, round_json(7, BEACON.sign(7).hex()))
    known = with_value(frozen, ValueFiles(beacon=path), clock=now)
    assert known.randomness is not None
    assert known.randomness.signature == BEACON.sign(7).hex()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (round_json(QUICKNET_ROUND + 1, QUICKNET_SIGNATURE), f"round {QUICKNET_ROUND}"),
        (round_json(QUICKNET_ROUND, BEACON.sign(QUICKNET_ROUND).hex()), "quicknet"),
        (round_json(QUICKNET_ROUND, "zz"), "hexadecimal"),
        (round_json(QUICKNET_ROUND, "00"), "48 bytes"),
        (b'{"round": 657413}', "signature"),
        (b"[]", f"round {QUICKNET_ROUND}"),
        (b"no json", "JSON"),
    ],
)
def test_another_round_is_refused_at_once(
    tiny: Tiny, tmp_path: Path, data: bytes, expected: str
) -> None:
    frozen = waiting(tiny, source="beacon", chain=QUICKNET.chain, round=QUICKNET_ROUND)
    path = written(tmp_path, data)
    with pytest.raises(SafetyCaseError, match=expected):
        with_value(frozen, ValueFiles(beacon=path), clock=now)


def test_what_a_plan_does_not_wait_for_is_not_taken(tiny: Tiny, tmp_path: Path) -> None:
    path = written(tmp_path, b"{}")
    plain = freeze(write_plan(tiny))
    assert with_value(plain, ValueFiles(), clock=now) is plain
    for files in (ValueFiles(receipt=path), ValueFiles(beacon=path)):
        with pytest.raises(SafetyCaseError, match="no value, which the plan waits for"):
            with_value(plain, files, clock=now)
    with pytest.raises(SafetyCaseError, match=r"what the plan [0-9a-f]{64} waits for"):
        with_value(for_witness(tiny), ValueFiles(), clock=now)
    with pytest.raises(SafetyCaseError, match="--beacon: expected --receipt"):
        with_value(for_witness(tiny), ValueFiles(beacon=path), clock=now)
    with pytest.raises(SafetyCaseError, match="a readable file"):
        with_value(for_witness(tiny), ValueFiles(receipt=tmp_path / "none"), clock=now)


def test_a_run_waits_for_its_value_and_its_case_shows_the_order(
    tiny: Tiny, tmp_path: Path
) -> None:
    frozen = for_witness(tiny)
    path = written(tmp_path, receipt(frozen.data, EARLY))
    plan = write_plan(tiny, plan_value() | {"randomness": frozen.plan.spelled()["randomness"]})
    case = run(
        plan,
        tmp_path / "out",
        clock=Clock(),
        progress=Silent(),
        verify=lambda _: None,
        options=RunOptions(threads=1, batch_rows=96),
        value=ValueFiles(receipt=path),
    )
    container = open_case(case)
    assert [n for n in container.names if n.startswith(layout.RECEIPT_PREFIX)]
    signed = write_envelope(sign_payload(case_payload(container), keys()))
    add_members(case, {layout.CASE_STATEMENT_NAME: signed}, opened=container)
    asked = trusting(minimum_tier="recomputed", must_hold="none", current_model=None)
    verdict = verify(case, asked, at="2026-01-03T00:00:00Z")
    assert verdict.failing() == ()
    outcomes = verdict.outcomes()
    assert {outcomes[n] for n in ("ORD-001", "ORD-004", "ORD-005")} == {Outcome.PASS}
    assert verdict.order is not None
    assert verdict.order.startswith(f"witness received the plan at {EARLY}")


def test_workers_sample_by_the_same_value(tiny: Tiny, tmp_path: Path) -> None:
    frozen = for_witness(tiny)
    path = written(tmp_path, receipt(frozen.data, EARLY))
    known = with_value(frozen, ValueFiles(receipt=path), clock=now)
    options = RunOptions(threads=1, batch_rows=96)
    bench = bind(known, tmp_path, options).bench
    assert bench.sampling_seed != replace(bench, value=None).sampling_seed
    plan = write_plan(tiny, plan_value() | {"randomness": frozen.plan.spelled()["randomness"]})
    again = load_bench(recipe_of(plan, known, tmp_path, bench))
    assert again.sampling_seed == bench.sampling_seed
