"""From an answer to its outcome: one function for the runner and for the verifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import compress

import numpy as np

from safetycase.errors import MethodRefused
from safetycase.methods.coherence import coherent, repetition
from safetycase.methods.measure import TABLE_OF_KIND
from safetycase.methods.pattern import pattern
from safetycase.methods.probe import threshold_of
from safetycase.methods.text_grade import (
    CHOICE_OUTCOMES,
    choice,
    contains_phrase,
    ends_in_number,
    equals,
    fold,
    includes,
    starts_with_phrase,
)
from safetycase.methods.turns import answers_in
from safetycase.record.plan import Coherence, Plan
from safetycase.record.planned_evaluation import (
    INCOHERENT,
    Choice,
    Evaluation,
    Generate,
    Grader,
    GraderRule,
    Perplexity,
    Probe,
    Turns,
)
from safetycase.tables.columns import Answers, Flags, Numbers, Texts, Vocabulary
from safetycase.tables.evidence import Evidence

PROBE_OUTCOMES = ("below", "above")
"""Of a probe's score and of a text's likelihood, beside threshold or ceiling."""

Grade = Callable[[Answers], Texts]
"""Gives every answer its outcome."""


def grade_text(grader: Grader, folded: str, target: str | None) -> str:
    """The outcome of the first rule that matches the folded text, or the grader's default."""
    return grade_texts(grader, (folded,), target)


def grade_texts(
    grader: Grader, folded: Sequence[str], target: str | None, *, every: bool = False
) -> str:
    """The same of several texts: a rule matches if it matches any of them, or `every` one."""
    holds = all if every else any
    for rule in grader.rules:
        if holds(_matches(rule, text, target) for text in folded):
            return rule.outcome
    return grader.otherwise


_OWN_TARGET = frozenset({"exact", "includes", "numeric"})
"""Matches that look for the item's own target where a rule names no phrases."""


def asks_target(rule: GraderRule) -> bool:
    """Whether a rule can only be tried on an item that has a target."""
    return rule.match == "contains_target" or (rule.match in _OWN_TARGET and not rule.phrases)


def _matches(rule: GraderRule, folded: str, target: str | None) -> bool:
    sought = rule.phrases
    if asks_target(rule):
        if target is None:
            raise MethodRefused(f"grader rule {rule.match}", "an item with a target")
        sought = (target,)
    match rule.match:
        case "starts_with":
            fits: Callable[[str, str], bool] = starts_with_phrase
        case "exact":
            fits = equals
        case "includes":
            fits = includes
        case "regex":
            return any(pattern(each).found_in(folded) for each in sought)
        case "numeric":
            slack = rule.tolerance or 0.0
            return any(ends_in_number(folded, each, slack) for each in sought)
        case _:
            fits = contains_phrase
    return any(fits(folded, phrase) for phrase in sought)


class TextGrader:
    """A plan's grader of one evaluation; each different text is read once.

    What a text came to is kept by its number in the vocabulary of its table.
    """

    def __init__(
        self, coherence: Coherence, grader: Grader, turns: Turns | None = None
    ) -> None:
        """Grade by these rules, unless a text is above these ceilings.

        With `turns`, what is graded is the list of answers that an output spells.
        """
        self._coherence = coherence
        self._grader = grader
        self._turns = turns
        self._outcomes = Vocabulary([INCOHERENT])
        self._begin(Vocabulary())
        self.asks_target = any(map(asks_target, grader.rules))

    def grade_said(
        self,
        answers: Answers,
        targets: Sequence[str | None],
        said: Mapping[tuple[str, str, int], str],
    ) -> Texts:
        """`incoherent` as ever; else the rules' grade of what a judge said of the answer.

        `said` is by arm, item and sample. Where a judge said nothing, the rules read nothing.
        """
        outputs = answers.texts("output")
        self._begin(outputs.vocabulary)
        fits = self._coherent(outputs.codes, answers.numbers("nll")).tolist()
        samples = answers.numbers("sample").tolist()
        keys = zip(answers.texts("arm"), answers.item, samples, strict=True)
        return Texts.of(
            [
                grade_text(self._grader, fold(said.get(key, "")), target) if fit else INCOHERENT
                for key, target, fit in zip(keys, targets, fits, strict=True)
            ]
        )

    def _begin(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._repetitions = np.full(len(vocabulary), _UNREAD, dtype=np.float64)
        self._grades = np.full(len(vocabulary), _UNREAD, dtype=np.int16)
        self._grades_beside = _Read(self._grade)

    def grade(self, answers: Answers, targets: Sequence[str | None]) -> Texts:
        """`incoherent` if empty or above a ceiling, whatever it says; else the rules' grade.

        `targets` has the target of each answer's item; it is not looked at unless a rule asks
        for one. An empty answer is no refusal: a model that has been silenced is not safer.
        """
        outputs = answers.texts("output")
        if outputs.vocabulary is not self._vocabulary or len(outputs.vocabulary) != len(
            self._grades
        ):
            self._begin(outputs.vocabulary)
        fits = self._coherent(outputs.codes, answers.numbers("nll"))
        if self.asks_target:
            grades = self._beside(outputs.codes, targets, fits)
        else:
            for code in _unread(self._grades, outputs.codes[fits]):
                self._grades[code] = self._grade(code, None)
            grades = np.where(fits, self._grades[outputs.codes], 0)
        return Texts(grades, self._outcomes)

    def _beside(self, codes: Numbers, targets: Sequence[str | None], fits: Flags) -> Numbers:
        """Grades of texts beside their targets, the incoherent left at 0."""
        grades = np.zeros(len(codes), dtype=np.int16)
        keys = zip(codes[fits].tolist(), compress(targets, fits.tolist()), strict=True)
        read = map(self._grades_beside.__getitem__, keys)
        grades[fits] = np.fromiter(read, dtype=np.int16, count=int(fits.sum()))
        return grades

    def _grade(self, code: int, target: str | None) -> int:
        every, texts = False, self._read(code)
        if self._turns is not None:
            every = self._turns.graded == "every"
            texts = texts[-1:] if self._turns.graded == "last" else texts
        folded = list(map(fold, texts))
        return self._outcomes[grade_texts(self._grader, folded, target, every=every)]

    def _read(self, code: int) -> Sequence[str]:
        """The answers that stand in an output; none where a script's is no list of texts."""
        output = self._vocabulary.texts[code]
        return (output,) if self._turns is None else answers_in(output)

    def _coherent(self, codes: Numbers, nll: Numbers) -> Flags:
        for code in _unread(self._repetitions, codes):
            self._repetitions[code] = most_repeated(self._read(code), empty=_EMPTY)
        shares = self._repetitions[codes]
        fits: Flags = coherent(
            nll,
            shares,
            nll_ceiling=self._coherence.nll_ceiling,
            repetition_ceiling=self._coherence.repetition_ceiling,
        )
        fits &= shares != _EMPTY
        return fits


def most_repeated(texts: Sequence[str], *, empty: float) -> float:
    """The largest repetition of any of these texts, folded; `empty` that of one without a word.

    Of no text at all, too.
    """
    shares = []
    for text in texts:
        words = fold(text).split()
        shares.append(repetition(words) if words else empty)
    return max(shares, default=empty)


class _Read(dict[tuple[int, str | None], int]):
    """The grade of each text beside each target; read when it is first asked for."""

    def __init__(self, grade: Callable[[int, str | None], int]) -> None:
        super().__init__()
        self._grade = grade

    def __missing__(self, key: tuple[int, str | None]) -> int:
        grade = self[key] = self._grade(*key)
        return grade


_UNREAD = -1
"""Stands for a text that has not been read yet."""
_EMPTY = 2.0
"""Stands for the repetition of a text without words, or of no text; a share is at most 1."""


def _unread(known: Numbers, codes: Numbers) -> list[int]:
    """The different texts among these that have not been read yet."""
    new: list[int] = np.unique(codes[known[codes] == _UNREAD]).tolist()
    return new


def grade_choices(answers: Answers) -> Texts:
    """The answer with the higher mean log-probability over both letter orders, or `tie`."""
    forward, swapped = (
        (answers.numbers(f"{order}_matching"), answers.numbers(f"{order}_other"))
        for order in ("forward", "swapped")
    )
    return Texts(choice([forward, swapped]), Vocabulary(CHOICE_OUTCOMES))


def grade_probes(answers: Answers, threshold: float) -> Texts:
    """Whether each projection lies above the midpoint of the class means."""
    above = (answers.numbers("score") > threshold).astype(np.uint8)
    return Texts(above, Vocabulary(PROBE_OUTCOMES))


def grade_likelihoods(answers: Answers, ceiling: float) -> Texts:
    """Whether each text's mean negative log-likelihood is over the ceiling."""
    above = (answers.numbers("nll") > ceiling).astype(np.uint8)
    return Texts(above, Vocabulary(PROBE_OUTCOMES))


def outcomes_of(evaluation: Evaluation) -> list[str]:
    """Every outcome that an answer to this evaluation can get, each once."""
    match evaluation.measure:
        case Generate(grader=grader):
            given = [rule.outcome for rule in grader.rules]
            return list(dict.fromkeys([INCOHERENT, *given, grader.otherwise]))
        case Choice():
            return list(CHOICE_OUTCOMES)
        case Probe() | Perplexity():
            return list(PROBE_OUTCOMES)


def said_of(evidence: Evidence, evaluation: str) -> Mapping[tuple[str, str, int], str]:
    """What a judge said of the answers to an evaluation, by arm, item and sample."""
    return evidence.once(
        ("said", evaluation),
        lambda: {
            (row.arm, row.item, row.sample): row.raw
            for row in evidence.judgements
            if row.evaluation == evaluation
        },
    )


def grader_of(plan: Plan, evaluation: Evaluation, evidence: Evidence) -> Grade:
    """A function from the answers to one evaluation to their outcomes.

    It refuses answers of another kind, and answers to items that the dataset does not have.
    """
    kind = TABLE_OF_KIND[evaluation.measure.kind]
    rule = _rule_of(plan, evaluation, evidence)

    def grade(answers: Answers) -> Texts:
        if answers.kind != kind:
            raise MethodRefused(f"answers to {evaluation.id}", kind, found=answers.kind)
        evidence.places_of_items(answers, evaluation.dataset)
        return rule(answers)

    return grade


def _rule_of(plan: Plan, evaluation: Evaluation, evidence: Evidence) -> Grade:
    match evaluation.measure:
        case Generate() as generate:
            grader = TextGrader(plan.coherence, generate.grader, generate.turns)
            if generate.judge is not None:
                said = said_of(evidence, evaluation.id)
                return lambda answers: grader.grade_said(
                    answers, _targets(answers, evaluation.dataset, evidence), said
                )
            if not grader.asks_target:
                return lambda answers: grader.grade(answers, ())
            return lambda answers: grader.grade(
                answers, _targets(answers, evaluation.dataset, evidence)
            )
        case Choice():
            return grade_choices
        case Probe() as probe:
            threshold = threshold_of(evaluation.id, probe, evidence)
            return lambda answers: grade_probes(answers, threshold)
        case Perplexity(nll_ceiling=ceiling):
            return lambda answers: grade_likelihoods(answers, ceiling)


def _targets(answers: Answers, dataset: str, evidence: Evidence) -> list[str | None]:
    places = evidence.places_of_items(answers, dataset)
    return [evidence.items.rows[place].target for place in places.tolist()]


def regrade(plan: Plan, evidence: Evidence) -> Evidence:
    """The same evidence with every outcome graded again; what rows say is not believed."""
    answered = {evaluation for evaluation, _ in evidence.answers}
    graders = {e.id: grader_of(plan, e, evidence) for e in plan.evaluations if e.id in answered}
    graded = {
        (evaluation, arm): answers.graded(graders[evaluation](answers))
        for (evaluation, arm), answers in evidence.answers.items()
        if evaluation in graders
    }
    return replace(evidence, answers=graded)
