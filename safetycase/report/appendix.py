"""What stands behind all axes: splits, instruments, machine, argument, limitations, checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from safetycase import canonical
from safetycase.record.case import Case, Node, SelfTest
from safetycase.record.planned_evaluation import Evaluation, Generate, Perplexity, Probe
from safetycase.report.front import first_sentence
from safetycase.report.source import Shown, Source
from safetycase.report.words import OUTCOME_WORDS, WORST_FIRST, in_words
from safetycase.verify.outcome import CheckResult, Finding, Outcome, Verdict

MOST_FINDINGS = 12
"""Findings shown of one check; the verifier prints all of them."""


@dataclass(frozen=True, slots=True)
class SplitRow:
    """How the items of a dataset were divided, and where they come from."""

    dataset: str
    counts: tuple[Shown, ...]
    """Items in discovery, tuning and held out."""
    source: Shown | None
    sha256: Shown | None


@dataclass(frozen=True, slots=True)
class EvaluationRow:
    """What is asked, and how answers are graded."""

    name: str
    title: Shown
    how: str


@dataclass(frozen=True, slots=True)
class SelfTestRow:
    """A test of the instruments."""

    name: str
    subject: str
    question: Shown
    value: Shown
    at_least: Shown | None
    at_most: Shown | None
    within: bool


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of the model or of a dictionary."""

    owner: str
    path: str
    role: str
    size: Shown
    sha256: Shown


@dataclass(frozen=True, slots=True)
class Named:
    """A name with a text of the record."""

    name: str
    value: Shown


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node of the argument, with its depth."""

    depth: int
    kind: str
    name: str
    text: Shown
    state: str
    condition: str | None


@dataclass(frozen=True, slots=True)
class SampleRow:
    """An answer that the case's id draws."""

    evaluation: Shown
    arm: Shown
    row: Shown
    input: Shown
    output: Shown
    outcome: Shown


@dataclass(frozen=True, slots=True)
class CheckRow:
    """A check and what it found."""

    check: str
    title: str
    outcome: str
    outcome_word: str
    stage: int
    tier: str
    required: bool
    sentence: str
    findings: tuple[Finding, ...]
    """What is not as it should be, the first ones."""
    further: int
    """Findings that are not shown."""


@dataclass(frozen=True, slots=True)
class WithheldRow:
    """A column or file that the case does not publish."""

    name: str
    disclosure: Shown
    count: Shown
    ground: Shown
    reason: Shown


@dataclass(frozen=True, slots=True)
class Appendix:
    """Everything behind the axes."""

    splits: tuple[SplitRow, ...]
    evaluations: tuple[EvaluationRow, ...]
    self_tests: tuple[SelfTestRow, ...]
    environment: tuple[Named, ...]
    packages: tuple[Named, ...]
    times: tuple[Named, ...]
    files: tuple[FileRow, ...]
    digests: tuple[Named, ...]
    tables: tuple[Named, ...]
    deviations: tuple[tuple[Shown, Shown], ...]
    withheld: tuple[WithheldRow, ...]
    auditors: tuple[Shown, ...]
    """To whom what opens the withheld is encrypted; none: to nobody in particular."""
    extensions: str | None
    argument: tuple[NodeRow, ...]
    limitations: tuple[Shown, ...]
    checks: tuple[CheckRow, ...]
    tally: tuple[tuple[str, int], ...]
    samples: tuple[SampleRow, ...]


def appendix(source: Source, verdict: Verdict) -> Appendix:
    """The appendix of a case under a verdict."""
    case = source.case
    stated = case.environment.spelled()
    fields = [name for name in type(case.environment).model_fields if name in stated]
    names = [name for name in fields if not isinstance(stated[name], dict)]
    extensions = canonical.write(case.extensions).decode() if case.extensions else None
    return Appendix(
        splits=tuple(_splits(source)),
        evaluations=tuple(_evaluations(source)),
        self_tests=tuple(_self_tests(source)),
        environment=_named(source, "/environment", names)
        + _as_named(source, "/environment/flags", case.environment.flags)
        + _as_named(source, "/environment/device_map", case.environment.device_map),
        packages=_named(source, "/environment/packages", sorted(case.environment.packages)),
        times=_named(source, "/times", ["started", "finished"]),
        files=tuple(_files(source)),
        digests=tuple(_digests(source)),
        tables=tuple(_tables(source)),
        deviations=tuple(
            (source.show(f"/deviations/{i}/what"), source.show(f"/deviations/{i}/why"))
            for i in range(len(case.deviations))
        ),
        withheld=tuple(_withheld(source)),
        auditors=tuple(_auditors(source)),
        extensions=extensions,
        argument=tuple(_argument(source)),
        limitations=source.show_each("/limitations"),
        checks=tuple(_checks(verdict)),
        tally=tuple(_tally(verdict)),
        samples=tuple(_samples(source)),
    )


def _named(source: Source, here: str, names: Sequence[str]) -> tuple[Named, ...]:
    return tuple(Named(in_words(name), source.show(f"{here}/{_token(name)}")) for name in names)


def _as_named(source: Source, here: str, values: Mapping[str, str] | None) -> tuple[Named, ...]:
    """Values under the names that they have in the record: a module's path is no words."""
    names = sorted(values or {})
    return tuple(Named(name, source.show(f"{here}/{_token(name)}")) for name in names)


def _token(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _splits(source: Source) -> Iterator[SplitRow]:
    planned = {dataset.id: place for place, dataset in enumerate(source.plan.datasets)}
    for number, split in enumerate(source.case.results.splits):
        place = planned.get(split.dataset)
        here = f"/results/splits/{number}"
        yield SplitRow(
            dataset=split.dataset,
            counts=tuple(
                source.show(f"{here}/{name}") for name in ("discovery", "tuning", "held_out")
            ),
            source=None if place is None else source.planned(f"/datasets/{place}/source"),
            sha256=None if place is None else source.planned(f"/datasets/{place}/sha256"),
        )


def _evaluations(source: Source) -> Iterator[EvaluationRow]:
    for number, evaluation in enumerate(source.plan.evaluations):
        title = source.planned(f"/evaluations/{number}/title")
        yield EvaluationRow(evaluation.id, title, _how(evaluation))


_TURNS = {
    "last": "generated text, the last of the answers to a script of several turns",
    "any": "generated texts, any of the answers to a script of several turns",
    "every": "generated texts, every one of the answers to a script of several turns",
}


def _how(evaluation: Evaluation) -> str:
    measure = evaluation.measure
    if isinstance(measure, Generate):
        outcomes = [rule.outcome for rule in measure.grader.rules]
        named = ", ".join(dict.fromkeys([*outcomes, measure.grader.otherwise]))
        what = "generated text" if measure.turns is None else _TURNS[measure.turns.graded]
        return f"{what}, graded by rules: {named}, or incoherent before any rule"
    if isinstance(measure, Probe):
        trained = f"built from {measure.contrast}"
        return f"linear probe at the output of block {measure.layer}, {trained}"
    if isinstance(measure, Perplexity):
        return "given texts scored by their mean negative log-likelihood a token, in nats"
    return "two answers compared by log-probability in both letter orders"


def _self_tests(source: Source) -> Iterator[SelfTestRow]:
    for number, test in enumerate(source.case.self_tests):
        here = f"/self_tests/{number}"
        yield SelfTestRow(
            name=in_words(test.id),
            subject=test.subject,
            question=source.show(f"{here}/question"),
            value=source.show(f"{here}/value"),
            at_least=source.show_stated(f"{here}/at_least"),
            at_most=source.show_stated(f"{here}/at_most"),
            within=_within(test),
        )


def _within(test: SelfTest) -> bool:
    above = test.at_least is None or test.value >= test.at_least
    return above and (test.at_most is None or test.value <= test.at_most)


def _files(source: Source) -> Iterator[FileRow]:
    owners = [("model", "/subject/files", source.case.subject.files)]
    owners += [
        (dictionary.id, f"/dictionaries/{number}/files", dictionary.files)
        for number, dictionary in enumerate(source.case.dictionaries)
    ]
    for owner, here, files in owners:
        for number, file in enumerate(files):
            yield FileRow(
                owner=owner,
                path=file.path,
                role=in_words(file.role),
                size=source.show(f"{here}/{number}/size"),
                sha256=source.show(f"{here}/{number}/sha256"),
            )


def _digests(source: Source) -> Iterator[Named]:
    yield Named("plan", source.show("/plan_digest"))
    yield Named("model, list of files", source.show("/subject/manifest_digest"))
    yield Named("model, tensors alone", source.show("/subject/tensor_root"))
    for number, dictionary in enumerate(source.case.dictionaries):
        place = f"/dictionaries/{number}/manifest_digest"
        yield Named(f"dictionary {dictionary.id}", source.show(place))


def _tables(source: Source) -> Iterator[Named]:
    for number, table in enumerate(source.case.tables):
        yield Named(table.path, source.show(f"/tables/{number}/rows"))


def _withheld(source: Source) -> Iterator[WithheldRow]:
    for number, entry in enumerate(source.case.redactions or ()):
        here = f"/redactions/{number}"
        yield WithheldRow(
            name=entry.path if entry.column is None else f"{entry.path}: {entry.column}",
            disclosure=source.show(f"{here}/disclosure"),
            count=source.show(f"{here}/count"),
            ground=source.show(f"{here}/ground"),
            reason=source.show(f"{here}/reason"),
        )


def _auditors(source: Source) -> Iterator[Shown]:
    """Every auditor of the ledger once, where it is first named."""
    seen: set[str] = set()
    for number in range(len(source.case.redactions or ())):
        for one in source.show_each(f"/redactions/{number}/auditors"):
            if one.text not in seen:
                seen.add(one.text)
                yield one


def _argument(source: Source) -> Iterator[NodeRow]:
    depths = depths_of(source.case)
    for number, node in enumerate(source.case.argument):
        yield NodeRow(
            depth=depths[node.id],
            kind=node.kind,
            name=node.id,
            text=source.show(f"/argument/{number}/text"),
            state=node.state,
            condition=node.condition,
        )


def depths_of(case: Case) -> dict[str, int]:
    """How far below the root each node stands; a circle or a missing parent ends the count."""
    nodes: dict[str, Node] = {node.id: node for node in case.argument}
    depths: dict[str, int] = {}
    for node in case.argument:
        seen: set[str] = {node.id}
        parent = node.supports
        while parent is not None and parent in nodes and parent not in seen:
            seen.add(parent)
            parent = nodes[parent].supports
        depths[node.id] = len(seen) - 1
    return depths


def _samples(source: Source) -> Iterator[SampleRow]:
    parts = ("evaluation", "arm", "row", "input", "output", "outcome")
    for number in range(len(source.samples)):
        yield SampleRow(*(source.drawn(number, part) for part in parts))


def _checks(verdict: Verdict) -> Iterator[CheckRow]:
    order = {outcome: place for place, outcome in enumerate(WORST_FIRST)}
    for result in sorted(verdict.results, key=lambda r: (order[r.outcome], r.stage, r.check)):
        wrong = _wrong(result)
        yield CheckRow(
            check=result.check,
            title=result.title,
            outcome=OUTCOME_WORDS[result.outcome],
            outcome_word=result.outcome.value.lower().replace("_", "-"),
            stage=result.stage,
            tier=result.tier,
            required=result.required,
            sentence=_said(result),
            findings=tuple(wrong[:MOST_FINDINGS]),
            further=max(0, len(wrong) - MOST_FINDINGS),
        )


def _said(result: CheckResult) -> str:
    """What the first finding says beyond the title."""
    sentence = first_sentence(result)
    return "" if sentence == result.title else sentence


def _wrong(result: CheckResult) -> list[Finding]:
    harmless = (Outcome.PASS, Outcome.NOT_APPLICABLE)
    return [found for found in result.findings if found.outcome not in harmless]


def _tally(verdict: Verdict) -> Iterator[tuple[str, int]]:
    for outcome in WORST_FIRST:
        count = sum(result.outcome is outcome for result in verdict.results)
        if count:
            yield OUTCOME_WORDS[outcome], count
