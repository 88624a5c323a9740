"""Attacks on redacted cases: withheld and not said, said wrongly, opened as something else.

But for those on the escrow itself, each case is opened with the honest escrow, so that all else
is known and exactly the declared checks fail.
"""

from __future__ import annotations

import msgspec

from safetycase.tables.escrow import Escrow
from tests.kit.builder import Json, KitCase, edit_record, honest_case, remove_from_record
from tests.kit.redacted import (
    TEXTS,
    addressed,
    edit_escrow,
    edit_opened,
    lines_of,
    opened_column,
    opens_prompts,
    opens_texts,
    place_in_ledger,
    place_of,
    prompts_withheld,
    published,
    redacted_from,
    texts_withheld,
    with_lines,
    without_entry,
)
from tests.kit.register import ARMS, HELD_OUT, Alters, attack, needing
from tests.kit.register import Escrow as Opens

_ANSWERS = "evidence/generations.jsonl"
_POOLED = "evidence/pooled.safetensors"
_GRADED = frozenset(HELD_OUT | ARMS) | {
    "EVI-001", "EVI-003", "FEA-002", "FEA-003", "FEA-005", "FOR-002", "FOR-003", "GOV-004",
    "IVN-002", "STA-003",
}  # fmt: skip
"""Checks that rest on the generated texts, or on grades of them."""

TEXTS_UNKNOWN = _GRADED | {"EVI-002", "EVI-004", "FOR-005"}
"""Checks that rest on the texts or on what tells of them."""

_ACTIVATIONS = (ARMS - {"BES-002"}) | {"CLM-004", "CLM-005", "IVN-002"}
"""Checks that rest on the pool of activations from which controls are drawn."""


def _on_texts(**outcome: Json) -> Alters:
    options = {"base": texts_withheld, "escrow": opens_texts} | outcome
    return attack("redaction", "insider", **options)


def _on_prompts(**outcome: Json) -> Alters:
    options = {"base": prompts_withheld, "escrow": opens_prompts} | outcome
    return attack("redaction", "insider", **options)


@_on_texts(refused_by={"RED-001"})
def withheld_column_not_in_the_ledger(case: KitCase) -> KitCase:
    """Leave the entry of the withheld likelihoods out of the ledger.

    Something is withheld of which nobody is told.
    """
    return without_entry(case, _ANSWERS, "nll")


@_on_texts(refused_by={"RED-001"})
def ledger_left_out(case: KitCase) -> KitCase:
    """Take the whole ledger out of the record.

    A redacted case passes for one that never had the texts.
    """
    return remove_from_record(case, "/redactions")


@_on_texts(refused_by={"RED-001"})
def published_column_in_the_ledger(case: KitCase) -> KitCase:
    """List a column as withheld that is published.

    The ledger cannot be believed.
    """
    entry = case.record["redactions"][0] | {"column": "outcome"}
    return edit_record(case, "/redactions/-", entry)


@_on_texts(refused_by={"RED-001"})
def entry_twice(case: KitCase) -> KitCase:
    """List a withheld column twice, with two reasons.

    Whoever reads may choose the reason.
    """
    entry = case.record["redactions"][0] | {"reason": "Trade secret."}
    return edit_record(case, "/redactions/-", entry)


@_on_texts(refused_by={"RED-001"})
def reason_of_blanks(case: KitCase) -> KitCase:
    """Give a blank as the reason.

    Texts are withheld for no reason at all.
    """
    return edit_record(case, "/redactions/0/reason", " ")


@_on_texts(refused_by={"SCH-001"}, unknown=needing("record"))
def ground_of_ones_own(case: KitCase) -> KitCase:
    """Withhold on a ground that is not one of the known: embarrassment.

    Anything may be withheld.
    """
    return edit_record(case, "/redactions/0/ground", "embarrassment")


@_on_texts(refused_by={"RED-001"})
def fewer_cells_said_to_be_withheld(case: KitCase) -> KitCase:
    """State that a tenth of the cells is withheld.

    The redaction looks smaller than it is.
    """
    count = case.record["redactions"][0]["count"]
    return edit_record(case, "/redactions/0/count", count // 10)


@_on_texts(refused_by={"RED-001"})
def commitments_not_those_of_the_ledger(case: KitCase) -> KitCase:
    """State another root than that of the table's lines.

    Openings are proved against commitments that are not in the case.
    """
    return edit_record(case, "/redactions/0/commitment", "0" * 64)


@_on_texts(refused_by={"SCH-003"}, unknown=needing("rows"))
def commitment_too_short(case: KitCase) -> KitCase:
    """Cut two digits off the commitment to a column.

    A shorter commitment is one that more texts open.
    """
    header, *rows = lines_of(case, "generations")
    place = place_of(header, "output")
    header[place] = header[place][:-2]
    return with_lines(case, "generations", [header, *rows])


@_on_texts(refused_by={"SCH-003"}, unknown=needing("rows"))
def outcomes_withheld_as_well(case: KitCase) -> KitCase:
    """Withhold the outcomes of the answers, too, and list them in the ledger.

    Not even how often the model failed is public.
    """
    header, *rows = lines_of(case, "generations")
    place = place_of(header, "outcome")
    header[place] = f"outcome:withheld:{'0' * 64}"
    for row in rows:
        row[place] = None
    entry = case.record["redactions"][0] | {"column": "outcome"}
    return with_lines(edit_record(case, "/redactions/-", entry), "generations", [header, *rows])


@_on_prompts(refused_by={"SCH-003"}, unknown=needing("rows"))
def one_target_published_in_a_withheld_column(case: KitCase) -> KitCase:
    """Put the target of one item where nothing should stand.

    An open cell among closed ones says which are the hazardous ones.
    """
    header, *rows = lines_of(case, "items")
    rows[0][place_of(header, "target")] = "safe"
    return with_lines(case, "items", [header, *rows])


@_on_prompts(refused_by={"RED-002"})
def withheld_said_to_be_absent(case: KitCase) -> KitCase:
    """Say of all targets that there are none: no mark, no entry, null in every row.

    A column that was withheld is downgraded to one that was never recorded.
    """
    cells = [None] * (len(lines_of(case, "items")) - 1)
    return published(case, "items", "target", cells)


@_on_texts(refused_by={"RED-002"})
def likelihoods_of_withheld_texts(case: KitCase) -> KitCase:
    """Publish the likelihood of every withheld answer.

    Whoever has the weights can test a guess of the text.
    """
    cells = [row.nll for row in honest_case().rows("generations")]
    return published(case, "generations", "nll", cells)


@_on_prompts(refused_by={"RED-002"}, as_outsider={"INT-001", "INT-002"})
def activations_of_withheld_prompts(case: KitCase) -> KitCase:
    """Publish the pooled activations of the withheld prompts.

    Activations are a test of a guess, and residuals give the prompt itself.
    """
    kept = case.with_members({_POOLED: honest_case().members[_POOLED]})
    return without_entry(kept, _POOLED)


@_on_prompts(refused_by={"RED-002"})
def names_of_withheld_prompts(case: KitCase) -> KitCase:
    """Publish the names of the items in the table of answers to questions.

    A name says which row of a public dataset was asked.
    """
    cells = [row.item for row in honest_case().rows("choices")]
    return published(case, "choices", "item", cells)


@_on_texts(refused_by={"EVI-001"})
def failure_hidden_behind_a_redaction(case: KitCase) -> KitCase:
    """Call an unsafe answer of the target safe, since nobody can read it.

    The redaction hides a failure. Whoever has the escrow grades it again.
    """
    header, *rows = lines_of(case, "generations")
    arm, outcome = header.index("arm"), header.index("outcome")
    row = next(r for r in rows if r[arm] == "watched/target" and r[outcome] == "unsafe")
    row[outcome] = "safe"
    return with_lines(case, "generations", [header, *rows])


@_on_texts(refused_by={"RED-003"}, unknown=_GRADED)
def commitment_to_other_texts(case: KitCase) -> KitCase:
    """Put the commitment to some other texts in the place of a column's.

    What is opened later is not what was measured.
    """
    header, *rows = lines_of(case, "generations")
    header[place_of(header, "output")] = f"output:withheld:{'0' * 64}"
    return with_lines(case, "generations", [header, *rows])


@_on_prompts(refused_by={"RED-001"}, as_outsider={"INT-002"})
def file_said_to_be_withheld_and_there(case: KitCase) -> KitCase:
    """Put a file into the case that the ledger says is left out.

    Two readers see two cases.
    """
    return case.with_members({_POOLED: honest_case().members[_POOLED]})


@_on_prompts(refused_by={"RED-001"}, unknown={"RED-003"})
def file_that_was_never_there_withheld(case: KitCase) -> KitCase:
    """List a file as withheld that no case of this plan has.

    The ledger is filled with harmless entries.
    """
    number = place_in_ledger(case, _POOLED)
    entry = case.record["redactions"][number] | {"path": "evidence/diary.safetensors"}
    return edit_record(case, "/redactions/-", entry)


def _on_escrow(change: Opens, *, unknown: frozenset[str], prompts: bool = False) -> Alters:
    return attack(
        "redaction",
        "outsider",
        refused_by={"RED-003"},
        unknown=unknown,
        base=prompts_withheld if prompts else texts_withheld,
        escrow=change,
    )


def _wrong_salt(case: KitCase) -> bytes:
    return edit_opened(opens_texts(case), "generations", "output", key="0" * 64)


@_on_escrow(_wrong_salt, unknown=_GRADED)
def right_texts_under_wrong_salts(case: KitCase) -> KitCase:
    """Hand over an escrow with the right answers and another key.

    Texts are taken on the word of whoever hands them over.
    """
    return case


def _another_text(case: KitCase) -> bytes:
    escrow = opens_texts(case)
    cells = list(opened_column(escrow, "generations", "output").cells)
    return edit_opened(escrow, "generations", "output", cells=["I cannot help.", *cells[1:]])


@_on_escrow(_another_text, unknown=_GRADED)
def another_text_under_the_right_salt(case: KitCase) -> KitCase:
    """Hand over an escrow in which one answer is a refusal.

    An unsafe answer is shown to the auditor as a safe one.
    """
    return case


def _rows_moved(case: KitCase) -> bytes:
    escrow = opens_texts(case)
    cells = list(opened_column(escrow, "generations", "output").cells)
    return edit_opened(escrow, "generations", "output", cells=[*cells[1:], cells[0]])


@_on_escrow(_rows_moved, unknown=_GRADED)
def texts_moved_to_other_rows(case: KitCase) -> KitCase:
    """Hand over an escrow whose answers stand one row further up.

    The answer of one arm passes for that of another.
    """
    return case


def _of_another_case(_case: KitCase) -> bytes:
    return redacted_from(honest_case(), "items.other").escrow


@_on_escrow(_of_another_case, unknown=TEXTS_UNKNOWN)
def escrow_of_another_case(case: KitCase) -> KitCase:
    """Hand over the escrow of another redaction of the same case.

    Nothing says which case the texts belong to.
    """
    return case


def _cell_missing(case: KitCase) -> bytes:
    escrow = opens_texts(case)
    cells = opened_column(escrow, "generations", "output").cells
    return edit_opened(escrow, "generations", "output", cells=cells[:-1])


@_on_escrow(_cell_missing, unknown=_GRADED)
def last_text_missing_from_the_escrow(case: KitCase) -> KitCase:
    """Hand over an escrow without the last answer.

    What is opened is not what was withheld.
    """
    return case


def _file_swapped(case: KitCase) -> bytes:
    def change(whole: Escrow) -> Escrow:
        first, *rest = whole.files
        swapped = msgspec.structs.replace(first, data=rest[0].data)
        return msgspec.structs.replace(whole, files=[swapped, *rest])

    return edit_escrow(opens_prompts(case), change)


@_on_escrow(_file_swapped, unknown=_ACTIVATIONS, prompts=True)
def another_file_in_the_escrow(case: KitCase) -> KitCase:
    """Hand over an escrow in which one file of tensors has the bytes of another.

    Activations are made up after the fact.
    """
    return case


def _column_kept_back(case: KitCase) -> bytes:
    def change(whole: Escrow) -> Escrow:
        rest = [one for one in whole.columns if one.column != "nll"]
        return msgspec.structs.replace(whole, columns=rest)

    return edit_escrow(opens_texts(case), change)


@attack(
    "redaction",
    "outsider",
    unknown=(_GRADED - {"FOR-003"}) | {"FOR-005", "RED-003"},
    base=texts_withheld,
    escrow=_column_kept_back,
)
def column_kept_back_from_the_escrow(case: KitCase) -> KitCase:
    """Hand over an escrow that does not open the likelihoods.

    Without them nobody can tell a broken model from a careful one.
    """
    return case


def _invented() -> KitCase:
    times = {"started": "2020-01-01T00:00:00Z", "finished": "2020-01-01T00:00:00Z"}
    return edit_record(honest_case(), "/times", times)


def _opens_invented(case: KitCase) -> bytes:
    return addressed(redacted_from(_invented(), TEXTS).escrow, case)


@attack("redaction", "forger", base=texts_withheld, escrow=_opens_invented)
def redacted_after_the_fact(_case: KitCase) -> KitCase:
    """Alter the times of the run in the full case, then redact it anew with its own escrow.

    All commitments open: they show what was committed to, not that it was measured.
    """
    return KitCase(redacted_from(_invented(), TEXTS).members)
