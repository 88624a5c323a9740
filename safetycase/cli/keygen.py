"""`safetycase keygen`: new signing keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode


def keygen(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Name of the signer: lower-case letters, digits and . _ -"
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the keys; made if it is not there.")],
    role: Annotated[
        list[str] | None,
        typer.Option(help="What the signer signs as; may be repeated.  [default: developer]"),
    ] = None,
    *,
    auditor: Annotated[
        bool, typer.Option("--auditor", help="Make an auditor's keys instead: X-Wing.")
    ] = False,
) -> int:
    """Make a signer's keys: Ed25519 and ML-DSA-65.

    The two count only together. The private files have no password and are readable by their
    owner only; guard the folder. NAME.pub.json is an entry for the `signers` of a policy. Keys
    are never overwritten. With --auditor: keys to which escrows are encrypted.
    """
    if auditor:
        return _auditor(out, name)
    from safetycase.sign.keys import generate

    signer = generate(out, name, roles=tuple(role or ("developer",)))
    for key in signer.keys:
        console.say(f"{key.algorithm:<10}  {key.keyid}")
    console.say(f"private     {out}/{name}.*.pem (keep secret)")
    console.say(f"public      {out}/{name}.pub.json (put it under `signers` of a policy)")
    return ExitCode.VERIFIED


def _auditor(out: Path, name: str) -> int:
    from safetycase.sign.sealing import generate_auditor

    public = generate_auditor(out, name)
    console.say(f"{public.kem:<10}  {public.fingerprint()}")
    console.say(f"private     {out}/{name}.auditor.key (keep secret: verify --escrow-key)")
    console.say(f"public      {out}/{name}.auditor.json (for redact --to)")
    return ExitCode.VERIFIED
