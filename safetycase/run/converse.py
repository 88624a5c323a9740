"""Scripts under every arm: each turn is put behind the answers before it, and answered.

The first turn runs as any prompt does: arms of an item share the blocks below their edits. From
then on every row has a conversation of its own, which is read anew in front of each answer, so
that its positions are those of one text without gaps, and the last pass edits all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import ArmEdit
from safetycase.run.generate import Answer, GenerationSettings, generate, generate_each
from safetycase.run.likelihood import median_nlls
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import Prompt
from safetycase.run.realised import Realised
from safetycase.run.script import Pieces

Key = Callable[[int], int]
"""The noise key of a turn, counted from 0."""


@dataclass(frozen=True)
class Asked:
    """A script as put, as it is without what an arm puts in front, and its noise."""

    pieces: Pieces
    plain: Pieces
    key: Key


@dataclass
class Conversation:
    """The answers to a script under one arm; `cut_off` if one had no room in the context."""

    asked: Asked
    arm: ArmEdit
    answers: list[Answer] = field(default_factory=list)
    nll: float = 0.0
    cut_off: bool = False

    @property
    def realised(self) -> Realised:
        """What the hook did: the last pass reads and edits the whole conversation."""
        return self.answers[-1].realised

    def text(self, *, plain: bool = False) -> Prompt:
        """All that stands in front of the next answer, and which of it the model has said."""
        pieces = (self.asked.plain if plain else self.asked.pieces).ids
        ids, generated = list(pieces[0]), [False] * len(pieces[0])
        for answer, piece in zip(self.answers, pieces[1:], strict=False):
            ids += [*answer.said, *piece]
            generated += [True] * len(answer.said) + [False] * len(piece)
        return Prompt(tuple(ids), ((0, 0),) * len(ids), tuple(generated))

    @property
    def goes_on(self) -> bool:
        """Whether there is another turn to answer."""
        return not self.cut_off and len(self.answers) < len(self.asked.pieces.ids)


def converse(
    model: LoadedModel,
    asked: Sequence[Asked],
    arms: Sequence[ArmEdit],
    dictionaries: Mapping[str, Dictionary],
    settings: GenerationSettings,
) -> list[list[Conversation]]:
    """Conversations by script and arm.

    One whose next turn leaves no room for an answer ends there, and is cut off. The likelihood
    is that of the answers without what an arm puts in front of them: the largest of their
    medians.
    """
    rows = [[Conversation(script, arm) for arm in arms] for script in asked]
    opened = generate(
        model,
        [row[0].text() for row in rows],
        [script.key(0) for script in asked],
        arms,
        dictionaries,
        settings,
    )
    every = [row for given in rows for row in given]
    _note(model, every, [answer for given in opened for answer in given])
    while going := [row for row in every if row.goes_on]:
        for row in going:
            row.cut_off = len(row.text()) + settings.max_new_tokens > model.context
        going = [row for row in going if not row.cut_off]
        if going:
            said = generate_each(
                model,
                [row.text() for row in going],
                [row.asked.key(len(row.answers)) for row in going],
                [row.arm for row in going],
                dictionaries,
                settings,
            )
            _note(model, going, said)
    return rows


def _note(model: LoadedModel, rows: Sequence[Conversation], said: Sequence[Answer]) -> None:
    """Every row gets its answer; equal conversations are scored once."""
    numbers: dict[tuple[int, ...], int] = {}
    prompts: list[Prompt] = []
    outputs: list[list[tuple[int, ...]]] = []
    places = []
    for row, answer in zip(rows, said, strict=True):
        plain = row.text(plain=True)
        place = numbers.setdefault(plain.ids, len(numbers))
        if place == len(prompts):
            prompts.append(plain)
            outputs.append([])
        outputs[place].append(answer.tokens)
        places.append(place)
    nlls = median_nlls(model, prompts, outputs)
    for row, answer, place in zip(rows, said, places, strict=True):
        row.nll = max(row.nll, nlls[place][answer.tokens])
        row.answers.append(answer)
