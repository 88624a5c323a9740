"""Answers read by a model: what it is shown, and what the rows must say of it.

The judge sees a request and an answer, and nothing else: not the arm, not the target. So two
equal answers to one request are one question to it, and it may say one thing of them only. Of a
script the request is all that was said before the last answer (`turns.as_read`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from safetycase.digest import sha256_hex
from safetycase.errors import MethodRefused
from safetycase.methods.gap import Gap
from safetycase.methods.gold import GOLD, generated, gold_item
from safetycase.methods.grade import grade_text
from safetycase.methods.grid import evaluation_named
from safetycase.methods.text_grade import fold
from safetycase.methods.turns import as_read, turns_of
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Evaluation, Generate, Judge
from safetycase.tables.columns import Answers
from safetycase.tables.evidence import Items
from safetycase.tables.rows import AnswerRow, GenerationRow, JudgementRow, path_of

TABLE = path_of("judgements")
_FIELD = re.compile(r"\{([a-z_]*)\}")
_FIELDS = frozenset({"answer", "request"})

Key = tuple[str, str, str, int]
"""Evaluation, arm, item and sample of an answer."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer as a judge is shown it."""

    key: Key
    prompt: str
    target: str | None


def judged(plan: Plan) -> list[tuple[Evaluation, Generate, Judge]]:
    """The evaluations whose answers a model reads."""
    return [(e, m, m.judge) for e, m in generated(plan) if m.judge is not None]


def rendered(judge: Judge, request: str, answer: str) -> str:
    """What the judge is shown; braces in request or answer stay as they are."""
    fields = {"request": request, "answer": answer}
    return _FIELD.sub(lambda found: fields.get(found[1], found[0]), judge.prompt)


def judge_faults(plan: Plan) -> Iterator[Gap]:
    """Judges that read their own answers, and prompts that show no answer or anything more."""
    for evaluation, _, judge in judged(plan):
        where = f"/evaluations {evaluation.id} /measure/judge"
        if judge.manifest_digest == plan.model.manifest_digest:
            yield Gap(where, "a judge other than the model", "the model itself")
        named = _FIELD.findall(judge.prompt)
        if named.count("answer") != 1 or named.count("request") > 1 or set(named) - _FIELDS:
            expected = "{answer} once, {request} at most once, no other field"
            found = ", ".join(f"{{{name}}}" for name in named) or "none"
            yield Gap(f"{where}/prompt", expected, found)


def asked_of(plan: Plan, items: Items, answers: Answers) -> Iterator[Asked]:
    """Every answer of a judged evaluation as its judge is shown it, in the order given."""
    judges = {evaluation.id: (evaluation, judge) for evaluation, _, judge in judged(plan)}
    if not judges or answers.kind != "generations":
        return
    columns = (answers.texts(name) for name in ("evaluation", "arm", "item", "output"))
    samples = answers.numbers("sample").tolist()
    for name, arm, item, output, sample in zip(*columns, samples, strict=True):
        if name in judges:
            evaluation, judge = judges[name]
            row = items.named(evaluation.dataset, item)
            request, answer = row.prompt, output
            if turns_of(evaluation) is not None:
                request, answer = as_read(row.prompt, output)
            shown = rendered(judge, request, answer)
            yield Asked((name, arm, item, sample), shown, row.target)


def gold_asked(plan: Plan) -> Iterator[Asked]:
    """Every gold row of a judged evaluation as its judge is shown it."""
    for evaluation, generate, judge in judged(plan):
        for number, row in enumerate(generate.gold or ()):
            shown = rendered(judge, row.request or "", row.text)
            yield Asked((evaluation.id, GOLD, gold_item(number), 0), shown, row.target)


def judgement(plan: Plan, asked: Asked, raw: str) -> JudgementRow:
    """The row of what a judge said."""
    return JudgementRow(
        *asked.key, sha256_hex(asked.prompt.encode()), raw, verdict(plan, asked, raw)
    )


def verdict(plan: Plan, asked: Asked, raw: str) -> str:
    """The outcome that the rules of the evaluation read in what a judge said."""
    measure = evaluation_named(plan, asked.key[0]).measure
    if not isinstance(measure, Generate):
        raise MethodRefused(f"evaluation {asked.key[0]}", "texts", found=measure.kind)
    return grade_text(measure.grader, fold(raw), asked.target)


def judgement_faults(
    plan: Plan, items: Items, answers: Answers | None, rows: Sequence[JudgementRow]
) -> Iterator[Gap]:
    """Where rows are not one for each answer and gold row, in order, shown and read alike."""
    wanted = [*asked_of(plan, items, answers)] if answers is not None else []
    wanted += gold_asked(plan)
    for number, (asked, row) in enumerate(zip(wanted, rows, strict=False)):
        where = f"{TABLE} line {number + 2}"
        key = (row.evaluation, row.arm, row.item, row.sample)
        if key != asked.key:
            yield Gap(where, _spelled(asked.key), _spelled(key))
            return
        again = judgement(plan, asked, row.raw)
        if row.prompt != again.prompt:
            yield Gap(where, f"the prompt {again.prompt}", row.prompt)
        if row.verdict != again.verdict:
            yield Gap(where, again.verdict, row.verdict)
    if len(wanted) != len(rows):
        yield Gap(TABLE, f"{len(wanted)} judgements", str(len(rows)))


def unequal(rows: Sequence[JudgementRow]) -> Iterator[Gap]:
    """Rows of which the judge says something else than of an earlier one shown alike."""
    first: dict[tuple[str, str], tuple[int, str]] = {}
    for line, row in enumerate(rows, start=2):
        earlier, raw = first.setdefault((row.evaluation, row.prompt), (line, row.raw))
        if raw != row.raw:
            expected = f"what the judge said on line {earlier} of the same answer"
            yield Gap(f"{TABLE} line {line}", expected, row.raw[:80] or "nothing")


def _spelled(key: Key) -> str:
    return f"{key[0]} / {key[1]} / {key[2]} / sample {key[3]}"


def in_order(
    rows: Mapping[Key, JudgementRow], plan: Plan, answers: Sequence[AnswerRow]
) -> list[JudgementRow]:
    """The rows of these answers, in their order, and then those of gold rows."""
    names = {evaluation.id for evaluation, _, _ in judged(plan)}
    keys = [
        (row.evaluation, row.arm, row.item, row.sample)
        for row in answers
        if isinstance(row, GenerationRow) and row.evaluation in names
    ]
    return [rows[key] for key in [*keys, *(asked.key for asked in gold_asked(plan))]]
