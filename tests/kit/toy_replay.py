"""The toy measured again by a reviewer, and the statement that the reviewer signs.

What the runner does with weights, the toy does with its own arithmetic: it answers the drawn
rows anew, along the directions that the case published. All that follows is the package's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.digest import sha256_hex
from safetycase.envelope.dsse import Envelope, Signature, read_envelope, write_envelope
from safetycase.envelope.statement import REPLAY_PREDICATE, write_statement_about
from safetycase.methods.derive import arm_specs
from safetycase.methods.replay import Published
from safetycase.methods.replay_result import (
    DEFAULT_ROWS,
    chosen_rows,
    in_table_order,
    replay_of,
)
from safetycase.record.case import Environment
from safetycase.record.replay import RowPlace, Weights
from safetycase.sign.signer import sign_payload
from safetycase.tables.rows import AnswerRow
from safetycase.verify.case import OpenedCase
from safetycase.verify.policy import Policy
from tests.kit.builder import AT, REVIEWER, Json, KitCase, honest_case, keys, policy
from tests.kit.toy_lab import Lab
from tests.kit.toy_world import ToyWorld

NONCE = "a nonce of the reviewer".replace(" ", "-")
STATEMENT = f"{layout.REPLAY_PREFIX}kit.dsse.json"

Changes = Callable[[Json], None]


@cache
def reviewed(**changes: Any) -> Policy:
    """The kit's policy, of a user who trusts a reviewer as well."""
    signers = [keys().signer.to_json(), keys(REVIEWER).signer.to_json()]
    return policy(signers=signers, **changes)


def published(case: KitCase) -> tuple[OpenedCase, Published]:
    opened = OpenedCase(case.to_bytes(), policy(), AT)
    return opened, opened.published


def measure_again(
    toy: ToyWorld, opened: OpenedCase, places: list[RowPlace]
) -> dict[RowPlace, AnswerRow]:
    """The rows at these places as this toy answers them."""
    here = opened.published
    lab = Lab(here.plan, opened.case_seed, toy)
    specs = {
        axis.id: arm_specs(here.plan, axis, opened.case_seed, here.evidence)
        for axis in here.plan.axes
    }
    again = {
        (row.evaluation, row.arm, row.item): row
        for rows in lab.answered(here.evidence, specs).answers.values()
        for row in rows
    }
    result = {}
    for place in places:
        row = here.row(place)
        result[place] = again[row.evaluation, row.arm, row.item]
    return result


def predicate(
    case: KitCase,
    *,
    toy: ToyWorld | None = None,
    nonce: str = NONCE,
    rows: int = DEFAULT_ROWS,
) -> tuple[str, Json]:
    """The id of a case, and what a reviewer with that toy finds of it."""
    opened, here = published(case)
    chosen = chosen_rows(here, nonce, rows)
    places = in_table_order(place for _, _, drawn in chosen for place in drawn)
    record = opened.record
    done = replay_of(
        here,
        nonce,
        rows,
        measure_again(toy or ToyWorld(7), opened, places),
        environment=Environment.model_validate_json(
            canonical.write(case.record["environment"])
        ),
        weights=Weights(
            model=record.subject.manifest_digest,
            tensor_root=record.subject.tensor_root,
            dictionaries={each.id: each.manifest_digest for each in record.dictionaries},
        ),
    )
    return opened.case_id, canonical.read(canonical.write(done.spelled()), where="replay")


def attached(
    case: KitCase,
    about: str,
    stated: Json,
    *,
    signers: tuple[str, ...] = (REVIEWER,),
    name: str = STATEMENT,
) -> KitCase:
    """The case with a statement of these contents, signed by these signers."""
    payload = write_statement_about(about, REPLAY_PREDICATE, stated)
    made = [sign_payload(payload, keys(signer)) for signer in signers]
    signatures: tuple[Signature, ...] = sum((each.signatures for each in made), ())
    envelope = Envelope(made[0].payload_type, payload, signatures)
    return case.with_members({name: write_envelope(envelope)})


def replayed(
    case: KitCase,
    *,
    change: Changes | None = None,
    signers: tuple[str, ...] = (REVIEWER,),
    name: str = STATEMENT,
    **options: Any,
) -> KitCase:
    """The case with a statement of the reviewer's, altered before it was signed if asked."""
    about, stated = predicate(case, **options)
    if change is not None:
        change(stated)
    return attached(case, about, stated, signers=signers, name=name)


@cache
def replayed_case() -> KitCase:
    """The honest case, measured again by a reviewer: every row agrees."""
    return replayed(honest_case())


def statement_in(case: KitCase) -> tuple[Envelope, str, Json]:
    """The envelope of the attached statement, the case that it is about, and what it says."""
    envelope = read_envelope(case.members[STATEMENT], where=STATEMENT)
    value: Json = canonical.read(envelope.payload, where=STATEMENT)
    return envelope, value["subject"][0]["digest"]["sha256"], value["predicate"]


def payload_digest(case: KitCase) -> str:
    return sha256_hex(statement_in(case)[0].payload)
