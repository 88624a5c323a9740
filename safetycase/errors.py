"""Everything this program raises on purpose.

SafetyCaseError
├─ MalformedInput        the bytes are not what they claim to be
│  ├─ NotCanonical       JSON that is not strict, or not in its one spelling
│  ├─ SchemaViolation    a document whose fields are not those of its schema
│  ├─ UnsafePath         a name that may not occur in a case
│  └─ TooLarge           a limit was reached before the end of the input
├─ NotVerified           `require` was asked for a case that does not verify
├─ KeyRefused            a key that cannot be used for what was asked
├─ ProofRefused          a time stamp or a beacon's value that does not prove what it is for
├─ ExtraMissing          a library of an optional extra, which is not installed
├─ MethodRefused         a statistic that has no value for these numbers
├─ Withheld              a cell of which a redacted case publishes only a commitment
├─ PlanRefused           a plan that cannot support the claims it announces
├─ RunFailed             the experiment could not be done as planned
│  └─ PromptTooLong      a prompt and its answer do not fit into the context
└─ UsageError            the command line asked for something that does not exist

Each error carries its facts in fields; the sentence is built here and nowhere else.
"""

from __future__ import annotations

from typing_extensions import override


class SafetyCaseError(Exception):
    """A refusal with the place, what was expected, what was found, and the remedy."""

    def __init__(
        self, where: str, expected: str, *, found: str | None = None, remedy: str | None = None
    ) -> None:
        """Keep the four facts; the sentence is made by `__str__`."""
        super().__init__(where, expected, found, remedy)
        self.where = where
        self.expected = expected
        self.found = found
        self.remedy = remedy

    @override
    def __str__(self) -> str:
        """`where: expected …, found …. Remedy.` on one line."""
        found = "" if self.found is None else f", found {self.found}"
        remedy = "" if self.remedy is None else f" {self.remedy}"
        return f"{self.where}: expected {self.expected}{found}.{remedy}"


class MalformedInput(SafetyCaseError):
    """The bytes are not what they claim to be."""


class NotCanonical(MalformedInput):
    """JSON that is not strict, or not in its one spelling."""


class SchemaViolation(MalformedInput):
    """A document whose fields are not those of its schema."""


class UnsafePath(MalformedInput):
    """A name that may not occur in a case."""


class TooLarge(MalformedInput):
    """A limit was reached before the end of the input; `limit` names one that can be raised."""

    def __init__(
        self, where: str, expected: str, *, found: str | None = None, limit: str | None = None
    ) -> None:
        """Keep the facts; the remedy of a named limit is the option that raises it."""
        remedy = None if limit is None else f"Raise it with --limit {limit}=N."
        super().__init__(where, expected, found=found, remedy=remedy)
        self.limit = limit


class NotVerified(SafetyCaseError):
    """`require` was asked for a case that does not verify."""

    missing: tuple[str, ...] = ()
    """Ids of the checks that failed or, if none did, that are required and unanswered."""


class KeyRefused(SafetyCaseError):
    """A key that cannot be used for what was asked."""


class ProofRefused(SafetyCaseError):
    """A time stamp or a beacon's value that does not prove what it is cited for."""


class ExtraMissing(SafetyCaseError):
    """What was asked needs a library of an optional extra, which is not installed.

    Says nothing of the input: with the library the answer may be either.
    """

    def __init__(self, where: str, library: str, *, extra: str) -> None:
        """Keep the facts; the remedy is the command that installs the extra."""
        remedy = f'Run `pip install "safetycase[{extra}]"`.'
        super().__init__(where, library, found="not installed", remedy=remedy)
        self.extra = extra


class MethodRefused(SafetyCaseError):
    """A statistic that has no value for these numbers: a reason, never a stand-in."""


class Withheld(SafetyCaseError):
    """A cell or file of which a redacted case publishes only a commitment.

    No MethodRefused: a method that goes on without a value must not go on without this one.
    """


class PlanRefused(SafetyCaseError):
    """A plan that cannot support the claims it announces."""


class RunFailed(SafetyCaseError):
    """The experiment could not be done as planned."""


class PromptTooLong(RunFailed):
    """A prompt and its answer do not fit into the model's context."""


class UsageError(SafetyCaseError):
    """The command line asked for something that does not exist."""
