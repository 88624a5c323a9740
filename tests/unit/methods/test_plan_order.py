"""What the attacks on order (tests/kit/attacks) leave open: messages, extras, limits."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from safetycase.bundle import layout
from safetycase.errors import SchemaViolation
from safetycase.methods import plan_order
from safetycase.methods.stream import case_seed, derive_seed
from safetycase.record.randomness import NonceOfWitness, Randomness, RoundOfBeacon
from safetycase.verify.case import OpenedCase
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT
from tests.kit.toy_order import (
    ROUND,
    STAMP,
    STAMPED,
    awaited_case,
    logged_case,
    round_of,
    stamp,
    stamped_case,
    trusts_all,
    witnessed_case,
)

NOW = datetime(2026, 11, 22, 16, tzinfo=UTC)
NONCE = NonceOfWitness(source="witness", public="a key")
CHAIN = "c" * 64


def test_a_seed_without_a_value_is_the_plan_alone() -> None:
    assert case_seed("d" * 64, None) == "d" * 64


def test_a_value_enters_every_seed() -> None:
    seed = case_seed("d" * 64, "e" * 64)
    assert seed == derive_seed("d" * 64, "case", "e" * 64)
    assert len({seed, case_seed("d" * 64, "f" * 64), case_seed("c" * 64, "e" * 64)}) == 3


@pytest.mark.parametrize(
    ("awaited", "stated", "where"),
    [
        (None, None, []),
        (NONCE, Randomness(value="0" * 64), []),
        (RoundOfBeacon(source="beacon", chain=CHAIN, round=ROUND), round_of(), []),
        (NONCE, None, ["case.json#/randomness"]),
        (None, round_of(), ["case.json#/randomness"]),
        (NONCE, round_of(), ["case.json#/randomness/signature"]),
        (
            RoundOfBeacon(source="beacon", chain=CHAIN, round=ROUND),
            Randomness(value="0" * 64),
            ["case.json#/randomness/value"],
        ),
    ],
)
def test_the_value_is_of_the_kind_awaited(
    awaited: NonceOfWitness | RoundOfBeacon | None,
    stated: Randomness | None,
    where: list[str],
) -> None:
    assert [gap.where for gap in plan_order.randomness_gaps(awaited, stated)] == where


@pytest.mark.parametrize(
    "predicate",
    [None, {}, {"nonce": "0" * 64}, {"nonce": "0", "received": AT},
     {"nonce": "0" * 64, "received": AT, "more": 1}],
)  # fmt: skip
def test_a_receipt_of_other_fields_is_refused(predicate: object) -> None:
    with pytest.raises(SchemaViolation, match="a receipt"):
        plan_order.plan_receipt(predicate, "statements/receipt-x.dsse.json")  # type: ignore[arg-type]


def seen(case: OpenedCase, **files: bytes) -> tuple[list[str], int]:
    named = {f"statements/{name}": data for name, data in files.items()}
    plan = case.container.read(layout.PLAN_NAME)
    found, reasons = plan_order.first_seen(
        named, plan, case.receipts, case.policy.order_trust(), at=NOW
    )
    return [str(each) for each in found], len(reasons)


def test_the_earliest_word_counts() -> None:
    case = OpenedCase(stamped_case().to_bytes(), trusts_all(), AT)
    plan = case.container.read(layout.PLAN_NAME)
    files = {f"{n}.tsr": stamp(plan, STAMPED.replace(day=20 - n)) for n in range(3)}
    found, refused = seen(case, **files)
    assert found[0] == "clock at 2026-11-18T12:00:00Z"
    assert (len(found), refused) == (3, 0)


def test_a_stamp_from_after_the_verification_does_not_count() -> None:
    case = OpenedCase(stamped_case().to_bytes(), trusts_all(), AT)
    plan = case.container.read(layout.PLAN_NAME)
    late = stamp(plan, datetime(2026, 11, 23, tzinfo=UTC))
    assert seen(case, **{"plan.tsr": late}) == ([], 0)


def test_only_so_many_proofs_are_looked_at() -> None:
    case = OpenedCase(stamped_case().to_bytes(), trusts_all(), AT)
    files = {f"a{n:02}.tsr": b"junk" for n in range(plan_order.MOST_PROOFS)}
    plan = case.container.read(layout.PLAN_NAME)
    assert seen(case, **files, **{"z.tsr": stamp(plan)}) == ([], plan_order.MOST_PROOFS)


@pytest.mark.parametrize(
    ("library", "build"),
    [("py_arkworks_bls12381", awaited_case), ("rfc3161_client", stamped_case)],
)
def test_without_the_extra_the_question_stays_open_and_the_remedy_is_told(
    monkeypatch: pytest.MonkeyPatch, library: str, build: object
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    verdict = verify(build().to_bytes(), trusts_all(), at=AT)  # type: ignore[operator]
    assert verdict.outcomes()["ORD-001"] is Outcome.UNKNOWN
    assert 'pip install "safetycase[time]"' in verdict.findings["ORD-001"][0].sentence
    assert verdict.exit_code == 3


def test_a_log_and_a_witness_need_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    assert verify(logged_case().to_bytes(), trusts_all(), at=AT).exit_code == 0
    monkeypatch.setitem(sys.modules, "py_arkworks_bls12381", None)
    assert verify(witnessed_case().to_bytes(), trusts_all(), at=AT).exit_code == 0


def test_a_beacon_whom_the_policy_does_not_name_is_named_in_the_answer() -> None:
    trust = replace(trusts_all().order_trust(), beacons={})
    case = OpenedCase(stamped_case().to_bytes(), trusts_all(), AT)
    awaited = case.plan.randomness
    order = plan_order.order_of(awaited, round_of(), case.plan_digest, AT, (), ([], []), trust)
    assert order.sentence is None
    assert order.gap is not None
    assert order.gap.silent
    assert "the user must know whom to trust" in order.gap.sentence


def test_a_plan_seen_early_whose_seeds_are_its_own_says_so() -> None:
    case = OpenedCase(stamped_case().to_bytes(), trusts_all(), AT)
    at = [plan_order.Seen("clock", STAMPED)]
    order = plan_order.order_of(
        None, None, case.plan_digest, AT, (), (at, []), trusts_all().order_trust()
    )
    assert order.gap is not None
    assert "by the word of clock at 2026-11-21T12:00:00Z" in order.gap.sentence
    assert STAMP.endswith(layout.TIME_STAMP_SUFFIX)
