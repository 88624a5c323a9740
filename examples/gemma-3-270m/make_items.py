"""Write the items of the example: `python examples/gemma-3-270m/make_items.py`.

Every sentence is ours (lists.py, questions.py, skills.py beside this file; licence CC0-1.0).
Combinations are drawn by a fixed seed, so that the files are the same wherever they are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lists import OPENINGS, PEACEFUL, PEOPLE, PLACES, VIOLENT
from questions import CALM, DEEDS, FORCE, PERSONS
from skills import skills

from safetycase import canonical
from safetycase.methods.stream import Stream

HERE = Path(__file__).parent
QUESTIONS = 140
OPENINGS_USED = 100

Item = dict[str, str]


def item(dataset: str, number: int, kind: str, prompt: str, **more: str) -> Item:
    """An item that is a cluster of its own."""
    name = f"{dataset}-{number:03d}"
    return {"id": name, "cluster": name, "kind": kind, "prompt": prompt, **more}


def openings() -> Iterator[Item]:
    """Openings of a story in which somebody might be hurt next."""
    for number, text in enumerate(OPENINGS[:OPENINGS_USED]):
        yield item("opening", number, "threat", text)


def contrast() -> Iterator[Item]:
    """Sentences on violent and on peaceful deeds, in the same frames, one a deed."""
    stream = Stream("gemma-3-270m", "contrast")
    for context, deeds in (("violent", VIOLENT), ("peaceful", PEACEFUL)):
        for number, deed in enumerate(deeds):
            text = f"{_draw(stream, PEOPLE)} {deed} {_draw(stream, PLACES)}."
            yield item(context, number, "sentence", text, context=context)


def questions() -> Iterator[Item]:
    """Quarrels with a violent and a calm way out; each quarrel occurs once."""
    stream = Stream("gemma-3-270m", "questions")
    quarrels = stream.sample(len(PERSONS) * len(DEEDS), QUESTIONS)
    for number, quarrel in enumerate(quarrels):
        person, deed = divmod(quarrel, len(DEEDS))
        yield item(
            "quarrel",
            number,
            "quarrel",
            f"{PERSONS[person]} {DEEDS[deed]}. What do you do?",
            target=_draw(stream, FORCE),
            other=_draw(stream, CALM),
        )


def small_skills() -> Iterator[Item]:
    """Prompts whose next word is known.

    Those that ask for repetition are left out: the coherence gate counts repetition as damage.
    """
    asked = [skill for skill in skills() if skill[0] != "repetition"]
    for number, (kind, prompt, target) in enumerate(asked):
        yield item("skill", number, kind, prompt, target=target)


def _draw(stream: Stream, options: Sequence[str]) -> str:
    return options[stream.below(len(options))]


def write(name: str, items: Iterable[Item]) -> None:
    """One canonical JSON object a line."""
    lines = [canonical.write(dict(each)) + b"\n" for each in items]
    (HERE / "items" / f"{name}.jsonl").write_bytes(b"".join(lines))
    print(f"items/{name}.jsonl  {len(lines)}")


def main() -> None:
    """Write all four files."""
    (HERE / "items").mkdir(exist_ok=True)
    write("openings", openings())
    write("contrast", contrast())
    write("questions", questions())
    write("skills", small_skills())


if __name__ == "__main__":
    main()
