"""A verdict as JSON, for programs: versioned, with a published schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import msgspec
from pydantic import TypeAdapter

from safetycase import __version__, canonical
from safetycase.record.schema import Schema, WithSentences, spell
from safetycase.verify.outcome import Verdict

SCHEMA = "https://safetycase.dev/verdict/v1alpha"

_HEAD: Schema = {
    "schema": {"description": "Version of this document.", "const": SCHEMA},
    "verifier": {
        "description": "Version of the verifier: equal ones give equal verdicts.",
        "type": "string",
    },
    "file": {"description": "Name of the file that was verified.", "type": "string"},
    "verified": {
        "description": "Whether all that the policy requires is so, and nothing failed.",
        "type": "boolean",
    },
}


def document(verdict: Verdict, *, file: str) -> dict[str, object]:
    """The verdict on a file as JSON values."""
    head = {
        "schema": SCHEMA,
        "verifier": __version__,
        "file": file,
        "verified": verdict.verified,
    }
    return head | asdict(verdict)


def spell_verdict(verdict: Verdict, *, file: str) -> bytes:
    """The verdict on a file, indented; equal verdicts give equal bytes."""
    return _indented(document(verdict, file=file))


def spell_verdicts(verdicts: Sequence[tuple[str, Verdict]]) -> bytes:
    """The verdicts on several files as a list of the same documents."""
    return _indented([document(verdict, file=file) for file, verdict in verdicts])


def verdict_schema() -> bytes:
    """The JSON Schema of a verdict, from the types that the verifier itself returns."""
    made = TypeAdapter(Verdict).json_schema(
        schema_generator=WithSentences, mode="serialization"
    )
    made["properties"] = _HEAD | made["properties"]
    made["required"] = [*_HEAD, *made["required"]]
    return spell("verdict", made)


def _indented(value: object) -> bytes:
    return msgspec.json.format(canonical.write(value), indent=2) + b"\n"
