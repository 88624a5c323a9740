"""`safetycase open`: what a redacted case withholds, as far as an escrow opens it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase.cli import console
from safetycase.cli.escrow import (
    EscrowKey,
    read_escrow_file,
    require_new_file,
    write_for_owner,
)
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import CasePath, require_file
from safetycase.errors import UsageError, Withheld

if TYPE_CHECKING:
    from safetycase.bundle.opened import ListedPlace, OpenedDocument, OpenedPlaces, Place


def open_places(
    case: CasePath,
    escrow: Annotated[
        Path, typer.Option(metavar="FILE", help="What the developer gave you to open it with.")
    ],
    escrow_key: EscrowKey = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A column: generations.output, …; may be repeated."),
    ] = None,
    cell: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:ROW",
            help="One cell: generations.output:17, rows from 0; may be repeated.",
        ),
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="A file that the case leaves out; its bytes go to --out."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write here, for your eyes only.  [default: to the terminal]"
        ),
    ] = None,
    escrow_out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Show nothing; write an escrow of what is asked for alone."
        ),
    ] = None,
    to: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="An auditor's NAME.auditor.json, for --escrow-out; may be repeated.",
        ),
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")] = False,
) -> int:
    """Open what a redacted case withholds: whole columns, single cells, files.

    Each is held against the commitment in the case before it is shown, and the case against its
    statement; who signed that, and whether the case holds, is for `verify`. If nothing is asked
    for, the places are listed with how far they are open. Exit codes: 0 all of it was opened; 1
    something is not what was committed to, or the case not as it was signed; 2 refused: no such
    place, another case's escrow, another's key; 3 this escrow does not open it. In 1 to 3
    nothing is shown or written.
    """
    from safetycase.bundle.opened import OpenedPlaces
    from safetycase.bundle.parts import CaseParts

    for path in (out, escrow_out):
        if path is not None:
            require_new_file(path)
    wanted = _wanted(column or [], cell or [])
    _require_consistent(wanted, file, out, escrow_out, to)
    data = read_escrow_file(escrow, escrow_key)
    opened = OpenedPlaces(CaseParts(require_file(case), escrow=data))
    if not wanted and file is None:
        return _list(opened, out, as_json=json)
    try:
        if escrow_out is not None:
            return _hand_on(opened, wanted, file, escrow_out, to or [])
        return _show(opened, wanted, file, out, as_json=json)
    except Withheld as refusal:
        console.refuse(refusal)
        return ExitCode.UNDECIDED


def _wanted(columns: Sequence[str], cells: Sequence[str]) -> list[Place]:
    from safetycase.bundle.opened import Place

    places: list[Place] = []
    for option, texts, single in (("--column", columns, False), ("--cell", cells, True)):
        for text in texts:
            place = Place.read(text)
            if (place.row is not None) is not single:
                expected = "table.column:row" if single else "table.column"
                raise UsageError(option, expected, found=text)
            places.append(place)
    return places


def _require_consistent(
    wanted: Sequence[Place],
    file: str | None,
    out: Path | None,
    escrow_out: Path | None,
    to: Sequence[Path] | None,
) -> None:
    if to and escrow_out is None:
        raise UsageError("--to", "--escrow-out with it", found="none")
    if escrow_out is not None:
        if out is not None:
            raise UsageError("open", "--out or --escrow-out", found="both")
        if not wanted and file is None:
            raise UsageError("--escrow-out", "--column, --cell or --file", found="none")
    elif file is not None and (wanted or out is None):
        raise UsageError("--file", "--out, and no column or cell", found="another request")


def _list(opened: OpenedPlaces, out: Path | None, *, as_json: bool) -> int:
    standings = list(opened.standings())
    if as_json:
        from safetycase.bundle.opened import OPENED_SCHEMA, OpenedDocument

        _give(_line(OpenedDocument(OPENED_SCHEMA, opened.case_id, places=standings)), out)
    else:
        _give("".join(f"{_told(one)}\n" for one in standings).encode(), out, for_people=True)
    states = {one.state for one in standings}
    if "refused" in states:
        return ExitCode.NOT_VERIFIED
    return ExitCode.VERIFIED if states == {"open"} else ExitCode.UNDECIDED


def _told(one: ListedPlace) -> str:
    return f"{one.state:<8}  {one.place} ({one.cells} of {one.of})"


def _show(
    opened: OpenedPlaces,
    wanted: Sequence[Place],
    file: str | None,
    out: Path | None,
    *,
    as_json: bool,
) -> int:
    if file is not None:
        _give(opened.file(file), out)
        return ExitCode.VERIFIED
    import msgspec

    from safetycase.bundle.opened import OPENED_SCHEMA, OpenedDocument, ShownCell

    cells = [one for place in wanted for one in opened.cells(place)]
    if as_json:
        shown = [ShownCell(str(one.place), one.cell, one.published) for one in cells]
        _give(_line(OpenedDocument(OPENED_SCHEMA, opened.case_id, cells=shown)), out)
        return ExitCode.VERIFIED
    lines: list[str] = []
    for one in cells:
        lines.append(f"{one.place}  {msgspec.json.encode(one.cell).decode()}\n")
        if one.published:
            lines.append(f"    published: {msgspec.json.encode(one.published).decode()}\n")
    _give("".join(lines).encode(), out, for_people=True)
    return ExitCode.VERIFIED


def _line(document: OpenedDocument) -> bytes:
    import msgspec

    return msgspec.json.encode(document) + b"\n"


def _give(data: bytes, out: Path | None, *, for_people: bool = False) -> None:
    if out is not None:
        write_for_owner(out, data)
        console.say(f"written   {out}")
    elif for_people:
        console.say(data.decode().removesuffix("\n"))
    else:
        console.say_bytes(data)


def _hand_on(
    opened: OpenedPlaces,
    wanted: Sequence[Place],
    file: str | None,
    escrow_out: Path,
    to: Sequence[Path],
) -> int:
    from safetycase.sign.sealing import read_auditor, seal
    from safetycase.tables.escrow import write_escrow

    auditors = [read_auditor(require_file(path)) for path in to]
    part = opened.part(wanted, [] if file is None else [file])
    opened.require_named(part, [one.fingerprint() for one in auditors])
    data = write_escrow(part)
    write_for_owner(escrow_out, seal(data, part.case, auditors) if auditors else data)
    who = ", ".join(f"{one.name} {one.fingerprint()[:16]}" for one in auditors)
    how = f"for {who}" if auditors else "in the clear: guard it like the texts"
    console.say(f"escrow    {escrow_out} ({how})")
    return ExitCode.VERIFIED
