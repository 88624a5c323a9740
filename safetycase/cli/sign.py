"""`safetycase sign`: a signer's signatures over a case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import CasePath, require_file


def sign(
    case: CasePath,
    key: Annotated[Path, typer.Option(help="Folder that `keygen` filled.")],
    name: Annotated[
        str | None, typer.Option(help="Signer's name, if the folder holds several.")
    ] = None,
    *,
    replace: Annotated[
        bool, typer.Option(help="Drop an earlier statement over other files.")
    ] = False,
) -> int:
    """Sign a case with a signer's keys.

    The signed statement of all its files goes into the case, or nothing changes. A second
    signer's signatures join the first's. Signing says who vouches for the bytes, not that the
    case holds: verify first.
    """
    from safetycase.sign.signer import sign_case

    require_file(case)
    signed = sign_case(case, key, name=name, replace=replace)
    console.say(f"case    {signed.case_id}")
    console.say(f"signer  {signed.signer}")
    for keyid in signed.keyids:
        console.say(f"key     {keyid}")
    return ExitCode.VERIFIED
