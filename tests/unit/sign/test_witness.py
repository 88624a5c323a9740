from __future__ import annotations

import pytest

from safetycase import canonical
from safetycase.digest import sha256_hex
from safetycase.envelope.statement import RECEIPT_PREDICATE, open_statement_about
from safetycase.errors import KeyRefused, MalformedInput
from safetycase.sign.witness import nonce_for, sign_receipt
from tests.kit.builder import keys
from tests.kit.toy_order import RECEIVED, awaiting_plan, ed25519_of, witness, witnessed_plan

PLAN = canonical.write(witnessed_plan())


def test_a_receipt_states_the_plan_the_time_and_the_nonce() -> None:
    envelope, digest = sign_receipt(PLAN, witness(), received=RECEIVED, where="p")
    assert digest == sha256_hex(PLAN)
    about, said = open_statement_about(envelope, RECEIPT_PREDICATE, where="r")
    assert about == digest
    assert said == {"nonce": nonce_for(digest, witness()), "received": RECEIVED}
    message = envelope.signed_bytes()
    for key, signature in zip(witness().signer.keys, envelope.signatures, strict=True):
        assert key.verifies(message, signature.sig)


def test_a_plan_has_one_nonce_by_each_witness() -> None:
    """Twice asked, once answered: a second nonce would be a second draw to choose from."""
    here, there = sha256_hex(b"a plan"), sha256_hex(b"another")
    assert nonce_for(here, witness()) == nonce_for(here, witness())
    assert len({nonce_for(p, witness(w)) for p in (here, there) for w in ("a", "b")}) == 4


def test_a_plan_that_waits_for_a_beacon_gets_a_receipt_for_its_date() -> None:
    sign_receipt(canonical.write(awaiting_plan()), witness(), received=RECEIVED, where="p")


def test_a_plan_that_waits_for_somebody_else_is_refused() -> None:
    awaited = {"source": "witness", "public": ed25519_of(witness("somebody-else"))}
    other = canonical.write(witnessed_plan() | {"randomness": awaited})
    with pytest.raises(KeyRefused, match="a plan that waits for witness"):
        sign_receipt(other, witness(), received=RECEIVED, where="p")


def test_only_a_witness_gives_receipts() -> None:
    with pytest.raises(KeyRefused, match="keygen NAME --role witness"):
        sign_receipt(PLAN, keys(), received=RECEIVED, where="p")


@pytest.mark.parametrize("data", [b"{}", b"no json", PLAN.replace(b":", b": ", 1), PLAN[:-1]])
def test_what_is_no_plan_in_its_one_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        sign_receipt(data, witness(), received=RECEIVED, where="p")
