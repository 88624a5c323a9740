"""A case before the verifier: its parts, and what the user's policy says of them.

A part that is missing or malformed is refused by its reader; the check that owns the part
turns that into FAIL, every other check into UNKNOWN (`lacks`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from safetycase.bundle import layout
from safetycase.bundle.limits import DEFAULT_LIMITS, Limits
from safetycase.bundle.parts import CaseParts
from safetycase.envelope.trust import SignatureReport, read_instant, verify_envelope
from safetycase.errors import MalformedInput, SafetyCaseError
from safetycase.methods.once import once
from safetycase.methods.plan_order import Order, Receipt, first_seen, order_of, read_receipts
from safetycase.methods.replay_review import ReExecution, Review, counting, read_reviews
from safetycase.verify.policy import Policy


class OpenedCase(CaseParts):
    """The parts of a case, the policy that it is judged by, and the time of asking."""

    def __init__(
        self,
        source: Path | bytes,
        policy: Policy,
        at: str,
        limits: Limits = DEFAULT_LIMITS,
        escrow: bytes | None = None,
    ) -> None:
        """Keep where the bytes are, what is asked for, the time, the limits, the escrow."""
        super().__init__(source, limits, escrow)
        self.policy = policy
        self.at = at

    @once
    def signatures(self) -> SignatureReport:
        """Which of the policy's signers have signed the statement."""
        return verify_envelope(
            self.envelope, self.policy.trust(), read_instant(self.at, where="at")
        )

    @once
    def replays(self) -> tuple[Review, ...]:
        """Everybody's statements of what they have measured again; judged by nobody yet."""
        names = [n for n in self.container.names if n.startswith(layout.REPLAY_PREFIX)]
        statements = {name: self.container.read(name) for name in names}
        at = read_instant(self.at, where="at")
        return read_reviews(statements, self.policy.trust(), self.signatures, at=at)

    @once
    def reviews(self) -> tuple[Review, ...]:
        """Those by a reviewer of the policy; what strangers attach is read no further."""
        return tuple(review for review in self.replays if review.reviewers)

    @once
    def reexecutions(self) -> tuple[ReExecution, ...]:
        """Those that count: of this case, and of rows that the nonce drew."""
        return counting(self.reviews, self.published, self.record.subject.tensor_root)

    @once
    def receipts(self) -> tuple[Receipt, ...]:
        """Everybody's receipts of a plan; judged by nobody yet."""
        names = [n for n in self.container.names if n.startswith(layout.RECEIPT_PREFIX)]
        statements = {name: self.container.read(name) for name in names}
        at = read_instant(self.at, where="at")
        return read_receipts(statements, self.policy.trust(), self.signatures, at=at)

    @once
    def order(self) -> Order:
        """What is shown of the order of plan and draws, by whose word."""
        ends = (layout.TIME_STAMP_SUFFIX, layout.LOG_PROOF_SUFFIX)
        proofs = {n: self.container.read(n) for n in self.container.names if n.endswith(ends)}
        data, at = self.container.read(layout.PLAN_NAME), read_instant(self.at, where="at")
        trust, stated = self.policy.order_trust(), self.record.randomness
        seen = first_seen(proofs, data, self.receipts, trust, at=at)
        started, awaited = self.record.times.started, self.plan.randomness
        receipts, digest = self.receipts, self.plan_digest
        return order_of(awaited, stated, digest, started, receipts, seen, trust)


def _lacks_rows(case: OpenedCase) -> None:
    if not case.tables:
        raise MalformedInput("evidence/", "evidence tables", found="none")


def _lacks_tensors(case: OpenedCase) -> None:
    if not case.tensors:
        raise MalformedInput("evidence/", "files of tensors", found="none")


NEEDS: Mapping[str, Callable[[OpenedCase], object]] = {
    "container": lambda case: case.container,
    "record": lambda case: case.record,
    "plan": lambda case: case.plan,
    "rows": _lacks_rows,
    "tensors": _lacks_tensors,
    "statement": lambda case: case.statement,
    "replays": lambda case: case.replays,
    "receipts": lambda case: case.receipts,
}
"""What a check may need, and how to ask for it."""


def lacks(case: OpenedCase, needs: Sequence[str]) -> SafetyCaseError | None:
    """The refusal that stands between a case and a check's needs; none if all are met."""
    for need in needs:
        try:
            NEEDS[need](case)
        except SafetyCaseError as refusal:
            return refusal
    return None
