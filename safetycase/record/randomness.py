"""Values that nobody could choose, waited for by a plan before anything is drawn."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetycase.record.base import Record, Sha256, Text, Utc


class NonceOfWitness(Record):
    """The plan waits for somebody who has seen it to give a nonce."""

    source: Literal["witness"]
    """Who gives the value: a witness of the plan, in a signed receipt."""
    public: Text
    """Ed25519 public key of that witness, in standard base64, as in `NAME.pub.json`."""


class RoundOfBeacon(Record):
    """The plan waits for a round of a public randomness beacon."""

    source: Literal["beacon"]
    """Who gives the value: a drand beacon of the unchained G1 scheme of RFC 9380."""
    chain: Sha256
    """The hash that names the beacon's chain."""
    round: Annotated[int, Field(ge=1, le=2**53 - 1)]
    """Number of the round, later than the moment at which the plan is time-stamped."""


Awaited = Annotated[NonceOfWitness | RoundOfBeacon, Field(discriminator="source")]
"""Where the value comes from."""


class Randomness(Record):
    """The value that the plan waited for."""

    value: Sha256
    """The nonce of the witness's receipt, or SHA-256 of the round's signature."""
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{96}$")] | None = None
    """The beacon's signature over the round, compressed G1 in hexadecimal; none of a nonce."""


class PlanReceipt(Record):
    """What a witness says of a plan: when it came, and the nonce given for it."""

    received: Utc
    """When the witness had the plan."""
    nonce: Sha256
    """A value that nobody else could know before: it enters every seed of the case."""
