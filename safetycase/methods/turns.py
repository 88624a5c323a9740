"""Scripts of several turns: how items and rows spell them, and what rows must say of them.

An item's prompt is the canonical JSON (RFC 8785) of an object with its `turns`, a list of what
the user says, and its `system` text if it has one. The output of a row is the canonical JSON of
a list: one answer for each turn, in their order. Its `stop` has a word for each,
with the tokens of that answer: `eos:12 length:64`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from safetycase import canonical
from safetycase.canonical import JsonValue
from safetycase.errors import MalformedInput
from safetycase.record.plan import Plan
from safetycase.record.planned_evaluation import Evaluation, Generate, Turns
from safetycase.tables.columns import Answers, Numbers, Texts
from safetycase.tables.evidence import Items

TURN = "{turn}"
"""Stands in a frame for what the user says."""
FRAME = f"\n\nUser: {TURN}\n\nAssistant:"
"""How a turn is put to a model without a chat template, unless the plan says otherwise."""
_STOP = re.compile(r"(eos|length)(?::([1-9][0-9]{0,8}))?")
MOST_TURNS = 64
"""Turns of a script at most."""


@dataclass(frozen=True, slots=True)
class Script:
    """What the user says, turn by turn, and what stands before all of it."""

    turns: tuple[str, ...]
    system: str | None = None

    def spelled(self) -> str:
        """The item's prompt."""
        parts: dict[str, JsonValue] = {"turns": [*self.turns]}
        if self.system is not None:
            parts["system"] = self.system
        return canonical.write(parts).decode()

    def after(self, prefix: str) -> Script:
        """The same with a text in front of the first turn."""
        first, *rest = self.turns
        return Script((prefix + first, *rest), self.system)


def script_of(prompt: str) -> Script | None:
    """The script that a prompt spells; none if it spells none."""
    value = _read(prompt) if prompt.startswith("{") else None
    if not isinstance(value, dict) or not set(value) <= {"turns", "system"}:
        return None
    turns, system = _texts(value.get("turns")), value.get("system")
    if not turns or not all(turns) or not (system is None or isinstance(system, str)):
        return None
    return None if system == "" or None in value.values() else Script(turns, system)


def turns_in(prompt: str) -> tuple[str, ...]:
    """What the user says in the script that a prompt spells; nothing if it spells none."""
    script = script_of(prompt)
    return () if script is None else script.turns


def opening(prompt: str) -> str:
    """What is put to the model first: the prompt, or the first turn of the script it spells."""
    return next(iter(turns_in(prompt)), prompt)


def spelled_answers(answers: Sequence[str]) -> str:
    """The output of a row that holds these answers."""
    return canonical.write([*answers]).decode()


@lru_cache(maxsize=4096)
def answers_in(output: str) -> tuple[str, ...]:
    """The answers that an output holds, one a turn; none if it is no list of texts."""
    return _texts(_read(output))


def _read(text: str) -> JsonValue:
    try:
        return canonical.read_canonical(text.encode(), where="a script")
    except (MalformedInput, UnicodeEncodeError):
        return None


def _texts(value: JsonValue) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_TURNS:
        return ()
    texts = tuple(part for part in value if isinstance(part, str))
    return texts if len(texts) == len(value) else ()


def turns_of(evaluation: Evaluation) -> Turns | None:
    """What the plan says of an evaluation's turns; none if its items are put once."""
    measure = evaluation.measure
    return measure.turns if isinstance(measure, Generate) else None


def as_read(prompt: str, output: str) -> tuple[str, str]:
    """A conversation as people and judges read it: all before its last answer, and that."""
    script, answers = script_of(prompt), answers_in(output)
    if script is None or not answers:
        return prompt, output
    said = [] if script.system is None else [f"System: {script.system}"]
    for number, turn in enumerate(script.turns):
        said.append(f"User: {turn}")
        said += [f"Assistant: {answer}" for answer in answers[:-1][number : number + 1]]
    return "\n\n".join(said), answers[-1]


@dataclass(frozen=True, slots=True)
class Stop:
    """How an answer ended, `eos` or cut by `length`, and of a script after how many tokens."""

    how: str
    tokens: int | None = None

    def fits(self, limit: int) -> bool:
        """Whether an answer of at most `limit` tokens could end so: a cut one has `limit`."""
        if self.tokens is None:
            return True
        return self.tokens == limit if self.how == "length" else 1 <= self.tokens <= limit


def spelled_stops(stops: Sequence[Stop]) -> str:
    """How the answers to a script ended, turn by turn, with the tokens of each."""
    return " ".join(f"{stop.how}:{stop.tokens}" for stop in stops)


@lru_cache(maxsize=4096)
def stops_in(text: str) -> tuple[Stop, ...]:
    """The stops that a cell spells; none if it spells something else."""
    found = [_STOP.fullmatch(word) for word in text.split(" ")]
    return tuple(Stop(one[1], int(one[2]) if one[2] else None) for one in found if one) * (
        None not in found
    )


def fed_back(tokens: int, stop: str) -> int:
    """How many generated tokens stand before another one: all but stop tokens and the last.

    The token that ends an answer is not fed back; what the template puts there stands in its
    place.
    """
    return tokens - 1 - _ended(stop)


def _ended(stop: str) -> int:
    """How many answers but the last ended by themselves."""
    return sum(one.how == "eos" for one in stops_in(stop)[:-1])


def all_fed_back(answers: Answers) -> Numbers:
    """The same of every row of a table of generated answers."""
    stops = answers.texts("stop")
    ended = [_ended(stop) for stop in stops.vocabulary.texts]
    return answers.numbers("tokens") - 1 - _by_row(ended, stops)


def _by_row(values: Sequence[int], texts: Texts) -> Numbers:
    """What is known of each different text, row by row."""
    return np.array(values, dtype=np.int64)[texts.codes]


def uncut_faults(answers: Answers, limit: int) -> Iterator[tuple[int, str, str]]:
    """Rows of generated answers with a number of tokens that their stops do not allow.

    With the fault what the row could have held, and what it holds. `limit`: the most tokens of
    an answer. What ends by itself has 1 to `limit` tokens, what was cut has `limit`.
    """
    tokens, stops = answers.numbers("tokens"), answers.texts("stop")
    bounds = [_bounds(stops_in(stop), limit) for stop in stops.vocabulary.texts]
    least, most = (_by_row([each[side] for each in bounds], stops) for side in (0, 1))
    for row in np.flatnonzero((tokens < least) | (tokens > most)).tolist():
        low, high = int(least[row]), int(most[row])
        expected = f"{low} to {high} tokens" if low <= high else f"stops within {limit} tokens"
        yield row, expected, f"{tokens[row]} and {stops[row]!r}"


def _bounds(stops: tuple[Stop, ...], limit: int) -> tuple[int, int]:
    """The fewest and the most tokens of answers that ended so; none where none can have."""
    counts = [one.tokens for one in stops if one.tokens is not None]
    if not all(one.fits(limit) for one in stops):
        return 1, 0
    if stops and len(counts) == len(stops):
        return sum(counts), sum(counts)
    if len(stops) != 1:
        return 1, 0
    return (limit if stops[0].how == "length" else 1), limit


def turn_faults(
    plan: Plan, name: str, items: Items, answers: Answers
) -> Iterator[tuple[int, str, str]]:
    """Rows with another number of answers than their item has turns, with what they need.

    Of an evaluation without turns every row has one answer, and so one stop.
    """
    evaluation = next((each for each in plan.evaluations if each.id == name), None)
    if evaluation is None or answers.kind != "generations":
        return
    stops, asked = answers.texts("stop"), answers.item
    is_script = turns_of(evaluation) is not None
    ended = [_counted_stops(stop, with_tokens=is_script) for stop in stops.vocabulary.texts]
    held = {"stops": _by_row(ended, stops)}
    wanted: Numbers = np.ones(len(answers), dtype=np.int64)
    if is_script:
        places = items.places(evaluation.dataset, asked.vocabulary.texts).tolist()
        sizes = [0 if n < 0 else len(turns_in(items.rows[n].prompt)) for n in places]
        wanted = _by_row(sizes, asked)
        outputs = answers.texts("output")
        held["answers"] = _by_row(
            [len(answers_in(o)) for o in outputs.vocabulary.texts], outputs
        )
        for row in np.flatnonzero(wanted == 0).tolist():
            yield row, "an item that is a script of turns", "another"
    for what, found in held.items():
        for row in np.flatnonzero((found != wanted) & (wanted > 0)).tolist():
            yield row, f"{wanted[row]} {what}, one a turn", str(found[row])


def _counted_stops(stop: str, *, with_tokens: bool) -> int:
    """How many stops a cell holds, if each is spelled with its tokens, or if none is."""
    stops = stops_in(stop)
    return len(stops) * all((one.tokens is not None) == with_tokens for one in stops)
