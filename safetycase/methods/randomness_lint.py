"""What is wrong with the value that a plan waits for, before anything is measured."""

from __future__ import annotations

from collections.abc import Iterator

from safetycase.envelope.dsse import decode_base64
from safetycase.envelope.keys import Algorithm, PublicKey
from safetycase.errors import SafetyCaseError
from safetycase.record.plan import Plan
from safetycase.record.randomness import NonceOfWitness


def randomness_lint(plan: Plan) -> Iterator[str]:
    """The fault of a witness's key that no receipt could be signed with."""
    if not isinstance(plan.randomness, NonceOfWitness):
        return
    where = "/randomness/public"
    try:
        PublicKey(Algorithm.ED25519, decode_base64(plan.randomness.public, where=where))
    except SafetyCaseError as refusal:
        yield (
            f"{where}: {refusal.expected} is expected; copy the ed25519 key of the witness's "
            "NAME.pub.json."
        )
