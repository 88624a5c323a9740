"""Graders are tried before a run, and people are asked after it."""

from __future__ import annotations

from pathlib import Path

from safetycase.errors import RunFailed
from safetycase.methods.gold import gold_gaps
from safetycase.methods.judge import gold_asked, judged
from safetycase.run.lab import Lab
from safetycase.run.labels import people_asked
from safetycase.run.stages import ask_judge


def try_judges(lab: Lab) -> None:
    """Every judge gets right what is known, before it is asked about anything else."""
    plan = lab.bench.plan
    for evaluation, _, _ in judged(plan):
        gold = [asked for asked in gold_asked(plan) if asked.key[0] == evaluation.id]
        ask_judge(lab, evaluation, gold)
    for gap in gold_gaps(plan, lab.notes.evidence()):
        if not gap.silent:
            raise RunFailed(
                gap.where,
                gap.expected,
                found=gap.found,
                remedy="The grader is wrong about a text whose outcome is known.",
            )


def ask_people(lab: Lab, *, beside: Path, out: Path) -> None:
    """People's labels stand in the notes; if they are not there yet, answers wait for them."""
    rows, waiting = people_asked(
        lab.bench.plan, lab.case_seed, lab.notes.evidence(), beside=beside, out=out
    )
    lab.notes.human_labels += rows
    for sheet in waiting:
        lab.progress.note(f"answers for people to label stand in {sheet.name}; then run again")
