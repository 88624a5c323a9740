"""`safetycase redact`: a case without its hazardous texts, and the escrow that opens it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, get_args

import typer

from safetycase.cli import console
from safetycase.cli.escrow import require_new_file, write_for_owner
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import CasePath, require_file
from safetycase.errors import UsageError


def redact(
    case: CasePath,
    columns: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Columns to withhold: items.prompt, generations.output, judgements.raw, … "
            "with commas between.",
        ),
    ],
    ground: Annotated[
        str,
        typer.Option(
            help="What publishing would harm: public_safety, cybersecurity, "
            "national_security, trade_secret, privacy or licence."
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why, in words, for all to read.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The redacted case.")],
    escrow: Annotated[Path, typer.Option(metavar="FILE", help="What opens it.")],
    coarse: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Of these columns of numbers, powers of two stay: generations.tokens, …",
        ),
    ] = "",
    to: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="An auditor's NAME.auditor.json: only these can open the escrow; may be "
            "repeated.  [default: the escrow is not encrypted]",
        ),
    ] = None,
) -> int:
    """Make a redacted case: commitments in the place of texts that must not be published.

    What tells of a withheld text row by row goes with it: lengths, log-probabilities,
    activations, residuals, names of items. Outcomes stay. The redacted case is a new one: sign
    it. With --to, the escrow is encrypted to these auditors, whose fingerprints stand in the
    record. Without, it holds the withheld texts IN THE CLEAR, readable by its owner only (mode
    0600): guard it and send it as you would the texts. It cannot be put into the case.
    """
    from pydantic import ValidationError

    from safetycase.bundle.reader import open_case
    from safetycase.bundle.redact import redact as redacted_from
    from safetycase.bundle.writer import write_case
    from safetycase.record.redaction import Ground
    from safetycase.sign.sealing import read_auditor, seal

    named = next((known for known in get_args(Ground) if known == ground), None)
    if named is None:
        raise UsageError("--ground", "one of " + ", ".join(get_args(Ground)), found=ground)
    for path in (out, escrow):
        require_new_file(path)
    auditors = [read_auditor(require_file(path)) for path in to or ()]
    full = open_case(require_file(case))
    try:
        made = redacted_from(
            full,
            _names(columns),
            ground=named,
            reason=reason,
            secret=secrets.token_bytes(32),
            coarse=_names(coarse) if coarse else (),
            auditors=[one.fingerprint() for one in auditors],
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError("--reason", "a reason in words", found=first["msg"]) from None
    kept = seal(made.escrow, made.case_id, auditors) if auditors else made.escrow
    write_for_owner(escrow, kept)
    write_case(out, made.members)
    for entry in made.ledger:
        place = f"{entry.path}: {entry.column}" if entry.column else entry.path
        console.say(f"{entry.disclosure:<8}  {place} ({entry.count})")
    console.say(f"case      {out} (not signed yet; its id will be {made.case_id})")
    who = ", ".join(f"{one.name} {one.fingerprint()[:16]}" for one in auditors)
    how = f"for {who}" if auditors else "in the clear: guard it like the texts"
    console.say(f"escrow    {escrow} ({how})")
    return ExitCode.VERIFIED


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]
