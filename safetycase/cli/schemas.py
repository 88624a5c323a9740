"""`safetycase schemas`: what other programs need to read a case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode


def published() -> dict[str, bytes]:
    """Every schema of this version by file name: documents, policy, and one a table."""
    import msgspec

    from safetycase.bundle.opened import OpenedDocument
    from safetycase.record.schema import (
        document_schema,
        file_name,
        record_schemas,
        row_schema,
        spell,
    )
    from safetycase.report.verdict_json import verdict_schema
    from safetycase.sign.sealing import SealedEscrow
    from safetycase.tables.escrow import Escrow
    from safetycase.tables.rows import TABLES, columns
    from safetycase.verify.policy import Policy

    tables = {
        file_name(kind): row_schema(kind, row, columns(kind)) for kind, row in TABLES.items()
    }
    documents = {
        file_name("policy"): document_schema("policy", Policy),
        file_name("verdict"): verdict_schema(),
        file_name("escrow"): spell("escrow", msgspec.json.schema(Escrow)),
        file_name("opened"): spell("opened", msgspec.json.schema(OpenedDocument)),
        file_name("sealed-escrow"): spell("sealed-escrow", msgspec.json.schema(SealedEscrow)),
    }
    return record_schemas() | documents | tables


def schemas(
    out: Annotated[Path, typer.Option(help="Folder for the files; made if it is not there.")],
) -> int:
    """Write the JSON Schemas of case, plan, replay, escrow, policy, verdict and tables."""
    made = published()
    out.mkdir(parents=True, exist_ok=True)
    for name, data in made.items():
        (out / name).write_bytes(data)
    for name in made:
        console.say(str(out / name))
    return ExitCode.VERIFIED
