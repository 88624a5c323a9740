"""Attacks on what is opened in part: coarse numbers, single cells, and for whom an escrow is.

What is withheld as a whole, and its escrow, are in `redaction.py`.
"""

from __future__ import annotations

import msgspec

from safetycase.tables.escrow import Escrow
from tests.kit.attacks.redaction import TEXTS_UNKNOWN, failure_hidden_behind_a_redaction
from tests.kit.builder import Json, KitCase, edit_record
from tests.kit.redacted import (
    ANN,
    BOB,
    edit_escrow,
    for_auditors,
    lengths_coarse,
    lines_of,
    opens_cells,
    opens_for_auditors,
    opens_lengths,
    place_of,
    texts_withheld,
    with_lines,
)
from tests.kit.register import Alters, attack, needing

_TOKENS = frozenset({"EVI-004", "FOR-001", "FOR-002", "FOR-003", "GOV-004"})
"""Checks that rest on the number of generated tokens."""


def _on_lengths(**outcome: Json) -> Alters:
    options = {"base": lengths_coarse, "escrow": opens_lengths} | outcome
    return attack("opening", "insider", **options)


def _on_auditors(**outcome: Json) -> Alters:
    options = {"base": for_auditors, "escrow": opens_for_auditors} | outcome
    return attack("opening", "insider", **options)


def _with_tokens(case: KitCase, tokens: int) -> KitCase:
    header, *rows = lines_of(case, "generations")
    rows[0][place_of(header, "tokens")] = tokens
    return with_lines(case, "generations", [header, *rows])


@_on_lengths(refused_by={"RED-003"}, unknown=_TOKENS)
def coarse_length_of_another_text(case: KitCase) -> KitCase:
    """Show an answer's length as at least 1024 tokens, where it is far shorter.

    Short refusals pass for long answers with whoever has no escrow.
    """
    return _with_tokens(case, 1024)


@_on_lengths(refused_by={"RED-002", "RED-003"}, unknown=_TOKENS)
def exact_length_in_a_coarse_column(case: KitCase) -> KitCase:
    """Write the exact length of an answer into the column of coarse ones.

    A column that is said to tell roughly is a test of a guess of the text.
    """
    return _with_tokens(case, 7)


@_on_lengths(refused_by={"RED-001"})
def coarse_column_said_to_be_withheld(case: KitCase) -> KitCase:
    """Say in the ledger that nothing is published of lengths that stand there coarsely.

    The redaction looks stricter than it is.
    """
    ledger = case.record["redactions"]
    number = next(n for n, entry in enumerate(ledger) if entry["disclosure"] == "coarse")
    return edit_record(case, f"/redactions/{number}/disclosure", "withheld")


@_on_lengths(refused_by={"SCH-003"}, unknown=needing("rows"))
def texts_said_to_be_coarse(case: KitCase) -> KitCase:
    """Mark the column of answers as coarse, though no text has a coarser one.

    What is published of a text is up to whoever publishes.
    """
    header, *rows = lines_of(case, "generations")
    place = place_of(header, "output")
    header[place] = header[place].replace("withheld", "coarse")
    return with_lines(case, "generations", [header, *rows])


@_on_auditors(refused_by={"RED-003"})
def auditor_added_to_the_ledger(case: KitCase) -> KitCase:
    """Name a third auditor in the ledger to whom nothing was encrypted.

    The case passes for one that a well-known auditor can open.
    """
    return edit_record(case, "/redactions/0/auditors", [ANN, BOB, "c" * 64])


@_on_auditors(refused_by={"RED-003"})
def auditor_left_out_of_the_ledger(case: KitCase) -> KitCase:
    """Leave one of the two auditors out of an entry of the ledger.

    Nobody knows that the developer's friend can read the texts, too.
    """
    return edit_record(case, "/redactions/0/auditors", [ANN])


@_on_auditors(refused_by={"RED-001"})
def auditor_named_twice(case: KitCase) -> KitCase:
    """Name an auditor twice in an entry of the ledger.

    Two auditors pass for three.
    """
    return edit_record(case, "/redactions/0/auditors", [ANN, ANN, BOB])


def _for_another(case: KitCase) -> bytes:
    def change(whole: Escrow) -> Escrow:
        return msgspec.structs.replace(whole, auditors=["c" * 64])

    return edit_escrow(opens_for_auditors(case), change)


@attack("opening", "outsider", refused_by={"RED-003"}, base=for_auditors, escrow=_for_another)
def escrow_for_another_auditor(case: KitCase) -> KitCase:
    """Hand over an escrow that was encrypted to an auditor whom the ledger does not name.

    The developer picks the auditor after the fact.
    """
    return case


def _another_cell(case: KitCase) -> bytes:
    def change(whole: Escrow) -> Escrow:
        first, *rest = whole.cells
        swapped = msgspec.structs.replace(first, cell="I cannot help.")
        return msgspec.structs.replace(whole, cells=[swapped, *rest])

    return edit_escrow(opens_cells(case, 0, 5), change)


@attack(
    "opening",
    "outsider",
    refused_by={"RED-003"},
    unknown=TEXTS_UNKNOWN | {"RED-004"},
    base=texts_withheld,
    escrow=_another_cell,
)
def another_text_in_a_single_cell(case: KitCase) -> KitCase:
    """Open two answers of those that the auditor drew, one of them as a refusal.

    The answers that are looked at are made up for the auditor.
    """
    return case


def _another_row(case: KitCase) -> bytes:
    def change(whole: Escrow) -> Escrow:
        moved = msgspec.structs.replace(whole.cells[0], row=1)
        return msgspec.structs.replace(whole, cells=[moved])

    return edit_escrow(opens_cells(case, 0), change)


@attack(
    "opening",
    "outsider",
    refused_by={"RED-003"},
    unknown=TEXTS_UNKNOWN,
    base=texts_withheld,
    escrow=_another_row,
)
def single_cell_of_another_row(case: KitCase) -> KitCase:
    """Open the answer of one row as that of the next, with the salt and path of the first.

    The auditor draws a row and is shown a better one.
    """
    return case


def _rows_of_target(case: KitCase) -> list[int]:
    header, *rows = lines_of(case, "generations")
    arm = header.index("arm")
    return [number for number, row in enumerate(rows) if row[arm] == "watched/target"]


def _opens_target(case: KitCase) -> bytes:
    return opens_cells(case, *_rows_of_target(case), columns=("output", "nll"))


@attack(
    "opening",
    "insider",
    refused_by={"RED-004"},
    unknown=TEXTS_UNKNOWN | {"RED-003"},
    base=texts_withheld,
    escrow=_opens_target,
)
def failure_hidden_in_rows_that_an_auditor_draws(case: KitCase) -> KitCase:
    """Call an unsafe answer of the target safe, among those that an auditor opens one by one.

    An auditor who was given a sample would confirm a rate that is too low.
    """
    return failure_hidden_behind_a_redaction(case)  # type: ignore[return-value]  # no bytes
