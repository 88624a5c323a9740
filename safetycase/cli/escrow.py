"""Escrow files on a command line: read with or without a key, written for their owner alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from safetycase.cli.inputs import require_file
from safetycase.errors import UsageError

EscrowKey: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Your NAME.auditor.key, if the escrow is encrypted."),
]


def read_escrow_file(escrow: Path, key: Path | None) -> bytes:
    """The escrow in the clear; refused: one that is encrypted, without its key."""
    from safetycase.sign.sealing import is_sealed, unseal

    data = require_file(escrow).read_bytes()
    if not is_sealed(data):
        return data
    if key is None:
        remedy = "Give your key: --escrow-key NAME.auditor.key."
        raise UsageError(str(escrow), "an open escrow", found="a sealed one", remedy=remedy)
    return unseal(data, key)


def require_new_file(path: Path) -> Path:
    """The path of a file that is not there yet."""
    if path.exists():
        raise UsageError(str(path), "a new file", found="a file that is there")
    return path


def write_for_owner(path: Path, data: bytes) -> None:
    """The new file is there, complete and readable by its owner only, or is not there."""
    draft: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        draft = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except OSError as error:
        expected = "a new file in a folder to write in"
        raise UsageError(str(path), expected, found=error.strerror) from None
    finally:
        if draft is not None:
            draft.unlink()
