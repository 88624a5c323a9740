"""Which arms share their answers although they edit differently, and what that tells.

A score (a log-probability, a projection) is a real number that every edit moves in its own way:
two edits with equal scores in every row did not both take place. A greedy text is a choice
among few: honest edits that push a model into the same state give the same texts. So equal
texts tell only where no third edit gives them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from safetycase.methods.arms import TUNING_ROLES, ArmSpec
from safetycase.methods.gap import Gap
from safetycase.methods.grid import BASELINE
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Choice, Perplexity, Probe
from safetycase.tables.alike import alike
from safetycase.tables.columns import Answers, Flags, Texts, stacked

TELLING_ROWS = 3
"""Scored rows that differ from the baseline before equal scores of two arms are a trace."""
TELLING_TEXTS = 9
"""Different new texts, given by no third edit, before equal texts of two arms are a trace."""

_SAID = {
    "generations": ("item", "output", "tokens", "nll"),
    "choices": ("item", "forward_matching", "forward_other", "swapped_matching"),
    "probes": ("item", "score"),
    "likelihoods": ("item", "tokens", "nll"),
}
"""What a row says, without whose arm it is and without the account of the edit."""

Arms = Mapping[tuple[str, str], Answers]


@dataclass(frozen=True, slots=True)
class Copy:
    """An arm with the answers of another, row for row."""

    evaluation: str
    arm: str
    of: str
    scored: bool
    """Whether scores are equal, which no two edits give; texts may be equal by chance."""

    def gap(self) -> Gap:
        """What is wrong with equal scores, and left open by equal texts."""
        where, found = f"{self.evaluation} / {self.arm}", f"those of {self.of}"
        if self.scored:
            return Gap(where, "answers of its own", found)
        text = f"{where} has the texts of {self.of}, which no third arm gives: re-run both."
        return Gap(where, "texts of its own", found, text, silent=True)


def scored_after(plan: Plan, layer: int) -> frozenset[str]:
    """Evaluations whose scores are read from layers after the edited one."""
    measures = {evaluation.id: evaluation.measure for evaluation in plan.evaluations}
    return frozenset(
        name
        for name, measure in measures.items()
        if isinstance(measure, (Choice, Perplexity))
        or (isinstance(measure, Probe) and measure.layer > layer)
    )


def differs(answers: Answers, baseline: Answers | None) -> Flags:
    """For each row, whether it says something else than the baseline's on its item."""
    if baseline is None or baseline.kind != answers.kind:
        return np.ones(len(answers), dtype=np.bool_)
    places = baseline.places_of(answers)
    before = baseline.take(places)
    same = places >= 0
    for name in _SAID[answers.kind]:
        one, two = answers.held[name], before.held[name]
        same &= (
            one.same_as(two)
            if isinstance(one, Texts) and isinstance(two, Texts)
            else np.equal(answers.codes(name), before.codes(name))
        )
    return ~same


def is_same(answers: Answers, baseline: Answers | None) -> bool:
    """Whether no row differs from the baseline's; mostly one of the first few does."""
    few = answers[:TELLING_ROWS]
    return not differs(few, baseline).any() and not differs(answers, baseline).any()


def without_edit(spec: ArmSpec, specs: Sequence[ArmSpec]) -> list[str]:
    """Arms that do what one does, but for what it adds: the baseline for most.

    Where the dictionary's error is dropped, the reconstruction as well; on tuning items that is
    the dose of zero.
    """
    if spec.error_policy != "none":
        return [BASELINE]
    role = "dose" if spec.role in TUNING_ROLES else "reconstruction"
    return [BASELINE, *(one.id for one in specs if one.role == role and not one.dose)]


def copies(answers: Arms, specs: Sequence[ArmSpec]) -> Iterator[Copy]:
    """Every arm whose answers are those of an arm before it, where that tells something.

    Only arms that add a direction are compared. Scores: both edits differ in direction, sign or
    size, and `TELLING_ROWS` rows differ from the unedited. Texts: the edits have no feature and
    no activation in common, and `TELLING_TEXTS` different texts are neither the baseline's
    nor given to that item under a third direction. Does not see copies of texts into three
    arms or more: from outside they look like a state that many edits lead to.
    """
    adding = {spec.id: spec for spec in specs if spec.coefficient}
    given: dict[str, dict[str, Flags]] = {}
    for evaluation, first, arm in _twins(answers, adding):
        one, two, rows = adding[first], adding[arm], answers[evaluation, arm]
        if rows.kind != "generations":
            if two.error_policy == "clean" and not rows.delta.any():
                continue  # silent: the unedited model's answers, but for their last digits
            told = partial(_scores_tell, answers, evaluation, arm)
            if _vector(one) != _vector(two) and all(map(told, without_edit(two, specs))):
                yield Copy(evaluation, arm, first, scored=True)
        elif _parts(one).isdisjoint(_parts(two)):
            if evaluation not in given:
                given[evaluation] = _given(answers, adding, evaluation)
            if _texts_tell(given[evaluation][arm], rows):
                yield Copy(evaluation, arm, first, scored=False)


def _twins(answers: Arms, adding: Mapping[str, ArmSpec]) -> Iterator[tuple[str, str, str]]:
    """Evaluation, first arm and later arm with the same answers, row for row.

    Only arms that begin alike are compared as a whole.
    """
    asked = {key: rows for key, rows in answers.items() if key[1] in adding and len(rows)}
    begun = {key: (key[0], *_first_row(rows)) for key, rows in asked.items()}
    often = Counter(begun.values())
    seen: dict[Hashable, str] = {}
    for (evaluation, arm), rows in asked.items():
        if often[begun[evaluation, arm]] > 1:
            first = seen.setdefault((evaluation, _digest(rows)), arm)
            if first != arm:
                yield evaluation, first, arm


def _first_row(answers: Answers) -> Iterator[float]:
    return (answers.codes(name)[0].item() for name in _SAID[answers.kind])


def _digest(answers: Answers) -> bytes:
    """Equal for arms of one table that say the same, row for row."""
    hasher = hashlib.sha256(answers.kind.encode())
    for name in _SAID[answers.kind]:
        # Adding 0 makes one zero of both.
        hasher.update((answers.codes(name) + 0).tobytes())
    return hasher.digest()


def _scores_tell(answers: Arms, evaluation: str, arm: str, unedited: str) -> bool:
    changed = differs(answers[evaluation, arm], answers.get((evaluation, unedited)))
    return int(changed.sum()) >= TELLING_ROWS


def _given(answers: Arms, adding: Mapping[str, ArmSpec], evaluation: str) -> dict[str, Flags]:
    """For each arm, whether each of its texts is given under at most two directions.

    That of the baseline, nothing, is one of them; a text belongs to its item.
    """
    arms = {
        arm: rows
        for (name, arm), rows in answers.items()
        if name == evaluation and rows.kind == "generations"
    }
    columns = _SAID["generations"]
    said = alike(*(stacked([rows.held[c] for rows in arms.values()]) for c in columns))
    numbers: dict[Hashable, int] = {}
    directions = [numbers.setdefault(_direction(adding.get(arm)), len(numbers)) for arm in arms]
    lengths = [len(rows) for rows in arms.values()]
    pairs = np.unique(said * len(numbers) + np.repeat(directions, lengths))
    is_rare = np.bincount(pairs // len(numbers)) <= 2
    return dict(zip(arms, np.split(is_rare[said], np.cumsum(lengths)[:-1]), strict=True))


def _texts_tell(is_rare: Flags, rows: Answers) -> bool:
    """Whether enough texts are given under these two directions and no other."""
    return len(np.unique(rows.texts("output").codes[is_rare])) >= TELLING_TEXTS


def _direction(spec: ArmSpec | None) -> Hashable:
    """What is added, but for its size; none where nothing is, as in the baseline."""
    if spec is None:
        return None
    return (*_recipe(spec), spec.coefficient > 0.0, (spec.gain or 1.0) > 0.0)


def _vector(spec: ArmSpec) -> Hashable:
    return (*_recipe(spec), spec.coefficient, spec.gain)


def _recipe(spec: ArmSpec) -> tuple[Hashable, ...]:
    is_of_refusals = spec.role == "refusal_direction"
    return (spec.features, spec.pool_pair, spec.word, spec.seed, is_of_refusals)


def _parts(spec: ArmSpec) -> set[Hashable]:
    """What a direction is made of; two that share a part are not independent.

    Nor are those between two true classes, which may be near one another.
    """
    pair = spec.pool_pair or ()
    classes = {("classes", 0)} if spec.role in _OF_CLASSES else set()
    parts = {("feature", f) for f in spec.features} | {("activation", a) for a in pair}
    return parts | classes


_OF_CLASSES = frozenset({"difference_in_means", "refusal_direction"})
