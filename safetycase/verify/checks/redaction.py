"""Stage 4: what is withheld is written down, withheld in full, and is what the escrow opens."""

from __future__ import annotations

from safetycase.bundle import layout
from safetycase.methods.opened_answers import opened_answers, opened_targets, outcome_gaps_of
from safetycase.methods.redaction import file_gaps, leaks, ledger_gaps, unopened
from safetycase.methods.tensors import planned_tensors
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, told


def _withheld(case: OpenedCase) -> int:
    """How many columns and files are withheld, by ledger or table."""
    marked = sum(len(table.classes) for table in case.signed_tables.values())
    return max(marked, len(case.redactions))


FAMILY = Family(
    "RED", "Redaction", "What is withheld is said, with its reason, and can be opened.",
    stage=4, tier="intact", needs=("container", "record", "plan", "rows"),
    absence_is_harmless=True, arises=_withheld, unasked="nothing is withheld",
)  # fmt: skip


@FAMILY.check(
    1,
    proves="The record's ledger lists every withheld column and every file that is left out, "
    "each once, with its class, its number of cells, a reason, and the root over the lines of "
    "its table or the commitment to the file; it lists nothing else.",
    cannot_prove="That the reason is a good one, what was withheld, or that the auditors it "
    "names can open it: only the escrow shows that (RED-003).",
    references=("question 30 (redaction)", "design 3 (withheld content)"),
    owns=("case.json#/redactions/*", "the first lines of evidence/*.jsonl"),
)
def ledger_is_exact(case: OpenedCase) -> Run:
    """The ledger lists exactly what is withheld, each with its reason."""
    planned = {tensor.path for tensor in planned_tensors(case.plan, {})}
    yield from told(ledger_gaps(case.redactions, case.signed_tables, case.container.stream))
    yield from told(file_gaps(case.redactions, planned, case.container.names))
    return _withheld(case)


@FAMILY.check(
    2,
    proves="What tells of a withheld text row by row is withheld with it, or coarse: lengths, "
    "log-probabilities, activations, residuals, digests, words and names.",
    cannot_prove="That nothing else tells of it: the plan, the labels of features, the order "
    "of the rows and the outcomes stay public, and coarse numbers of many rows add up.",
    references=("design 3 (withheld content)", "https://arxiv.org/abs/2510.15511"),
    owns=("which columns and files are withheld",),
)
def nothing_tells_of_what_is_withheld(case: OpenedCase) -> Run:
    """What a withheld text determines is withheld with it."""
    present = list(filter(layout.is_bound, case.container.names))
    yield from told(leaks(case.redactions, case.signed_tables, present, case.container.stream))
    return _withheld(case)


@FAMILY.check(
    3,
    tier="recomputed",
    needs=("container", "record", "rows", "statement"),
    proves="The escrow is that of this case, for the auditors it names, and opens all that "
    "is withheld: every cell and file is what was committed to, and comes to the id or coarse "
    "number in its place. All other checks are then made on what was opened.",
    cannot_prove="Anything without the escrow: it is UNKNOWN, and so is every check that rests "
    "on withheld cells. Nor that nobody else was given what it opens.",
    references=("question 30 (redaction)", "design 3 (withheld content)"),
    owns=("withheld cells", "the escrow"),
)
def escrow_opens_what_is_withheld(case: OpenedCase) -> Run:
    """The escrow opens everything that is withheld."""
    if case.escrow is None:
        text = "Cells are withheld, and no escrow was given: verify --escrow FILE."
        yield Fault.unknown("escrow", "the escrow of this case", "none", text)
        return 0
    yield from told(
        unopened(case.escrow, case.redactions, case.opened_tables, case.opened_files)
    )
    return _withheld(case)


@FAMILY.check(
    4,
    stage=7,
    tier="recomputed",
    needs=("container", "record", "plan", "rows", "statement"),
    proves="Every answer whose text and likelihood, and target where it is asked for, the "
    "escrow opens by themselves has the outcome that the plan's rules give it.",
    cannot_prove="Anything of the other answers, unless these were drawn after the case was "
    "signed, by somebody else than the developer.",
    references=("question 27 (arithmetic)", "design 3 (withheld content)"),
    owns=("single cells of the escrow",),
)
def single_answers_are_graded_again(case: OpenedCase) -> Run:
    """Answers that are opened one by one have the outcome that they grade to."""
    cells = [cell for opening in case.opened_tables.values() for cell in opening.cells]
    opened, targets = opened_answers(cells), opened_targets(cells)
    if not opened:
        return NotApplicable("no answer is opened by itself")
    answers = case.answers("generations")
    yield from told(outcome_gaps_of(case.plan, case.evidence, answers, opened, targets))
    return len(opened)
