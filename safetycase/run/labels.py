"""Answers go out to people, blind to the arm, and their labels come back as rows.

Answers exist before labels do: a run writes the sheet of answers to label, and a second run of
the same plan, which measures nothing again, reads what people wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from safetycase import canonical
from safetycase.canonical import JsonValue, as_object, as_text
from safetycase.errors import MalformedInput, RunFailed
from safetycase.methods.calibration import Key, blind_name, drawn, labelled
from safetycase.methods.grade import outcomes_of
from safetycase.methods.turns import as_read, turns_of
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Evaluation, HumanLabels
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import GenerationRow, HumanLabelRow

_FIELDS = ("id", "rater", "outcome")


def people_asked(
    plan: Plan, case_seed: str, evidence: Evidence, *, beside: Path, out: Path
) -> tuple[list[HumanLabelRow], list[Path]]:
    """People's labels in table order, and the sheets of evaluations whose labels are not there.

    A sheet stands in `out` as EVALUATION.to-label.jsonl; labels are looked for where the plan
    says, relative to `beside`. Refused: labels of answers that were not drawn, too few or too
    many raters, outcomes that the grader does not know.
    """
    keys = drawn(plan, case_seed, evidence)
    rows: list[HumanLabelRow] = []
    waiting: list[Path] = []
    for evaluation, labels in labelled(plan):
        named = {blind_name(case_seed, key): key for key in keys if key[0] == evaluation.id}
        sheet = out / f"{evaluation.id}.to-label.jsonl"
        sheet.write_bytes(_sheet(evaluation, named, evidence))
        file = beside / labels.path
        if file.is_file():
            rows += _rows(evaluation, labels, named, file)
        else:
            waiting.append(sheet)
    return ([] if waiting else rows), waiting


def _sheet(evaluation: Evaluation, named: Mapping[str, Key], evidence: Evidence) -> bytes:
    """One line an answer in the order of their blind names, which tells nothing either."""
    outputs = {
        (arm, row.item, row.sample): row.output
        for (name, arm), answers in evidence.answers.items()
        if name == evaluation.id
        for row in answers
        if isinstance(row, GenerationRow)
    }
    outcomes: list[JsonValue] = [*outcomes_of(evaluation)]
    lines = []
    for name, key in sorted(named.items()):
        prompt = evidence.items.named(evaluation.dataset, key[2]).prompt
        answer = outputs[key[1:]]
        if turns_of(evaluation) is not None:
            prompt, answer = as_read(prompt, answer)
        shown = {"id": name, "prompt": prompt, "answer": answer, "outcomes": outcomes}
        lines.append(canonical.write(shown))
    return b"".join(line + b"\n" for line in lines)


def _rows(
    evaluation: Evaluation, labels: HumanLabels, named: Mapping[str, Key], file: Path
) -> Iterable[HumanLabelRow]:
    given: dict[str, dict[str, str]] = {name: {} for name in named}
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        where = f"{file.name} line {number}"
        fields = as_object(canonical.read(line, where=where), where=where, required=_FIELDS)
        name, rater, outcome = (as_text(fields[key], where=where) for key in _FIELDS)
        if name not in given:
            raise MalformedInput(where, "an id of the sheet of answers to label", found=name)
        if rater in given[name] or not rater:
            raise MalformedInput(where, f"another rater of {name}", found=rater or "nobody")
        if outcome not in outcomes_of(evaluation):
            expected = f"one of {', '.join(outcomes_of(evaluation))}"
            raise MalformedInput(where, expected, found=outcome)
        given[name][rater] = outcome
    for name, by_rater in given.items():
        if len(by_rater) != labels.raters:
            raise RunFailed(
                file.name,
                f"{labels.raters} labels of {name}",
                found=str(len(by_rater)),
                remedy="Every answer of the sheet is labelled by as many people as planned.",
            )
    return [
        HumanLabelRow(*key, rater, outcome)
        for name, key in named.items()
        for rater, outcome in sorted(given[name].items())
    ]
