"""Texts on which a dictionary is tried: those of the user, or plain English."""

from __future__ import annotations

from pathlib import Path

from safetycase import canonical
from safetycase.errors import MalformedInput

PLAIN = (
    "The ferry leaves the northern harbour at seven in the morning and returns before dark.",
    "She opened the letter, read it twice, and put it back without a word to her brother.",
    "To prove the lemma, assume that both numbers are even and derive a contradiction.",
    "Rain is expected in the west by noon; the mountains will stay dry until the evening.",
    "def area(width, height):\n    return width * height\n",
    "The committee met for three hours and agreed to publish the figures in the spring.",
    "Add the flour slowly, stir until smooth, and let the dough rest for half an hour.",
    "In 1848 revolutions broke out in Paris, Vienna and Berlin within a few weeks.",
    "The patient reported mild pain in the left knee after long walks, but no swelling.",
    "Blessed are the meek, for they shall inherit the earth.",
    "I am sorry, but I cannot help with that; could we talk about something else?",
    "The theft was reported to the police, who found the weapon near the railway bridge.",
    "Most birds of this family build their nests on the ground, hidden among tall grass.",
    "SELECT name, price FROM items WHERE price > 100 ORDER BY name;",
    "What a splendid goal! The crowd is on its feet and the keeper can only shake his head.",
    "The tenant shall give written notice of at least three months before leaving the flat.",
    "Light from the nearest star takes more than four years to reach the earth.",
    "He laughed at first, then saw that nobody else did, and looked down at his plate.",
    "Shares of the company fell by six per cent after the annual report was published.",
    "Press the green button for two seconds until the lamp begins to blink.",
    "My grandmother kept bees, and every autumn she gave us a jar of dark honey.",
    "The enzyme loses its activity above sixty degrees because the protein unfolds.",
    "Once upon a time a miller had three sons, a mill, a donkey and a cat.",
    "Translate the following sentence into French: the library is closed on Sundays.",
)
"""English prose of several kinds, written for this purpose; some code, some law, some news."""


def read_texts(path: Path, *, whole: bool = False) -> list[str]:
    """The lines of a file that are not empty; of a JSONL file the `prompt` of each.

    `whole`: a file that is not JSONL is one text, line ends included.
    """
    try:
        read = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedInput(str(path), "a text in UTF-8", found=str(error)) from None
    if whole and path.suffix != ".jsonl":
        return [read] if read.strip() else []
    lines = [line for line in read.splitlines() if line.strip()]
    if path.suffix != ".jsonl":
        return lines
    return [_prompt(line, f"{path.name} line {n}") for n, line in enumerate(lines, 1)]


def _prompt(line: str, where: str) -> str:
    fields = canonical.as_object(
        canonical.read(line.encode(), where=where),
        where=where,
        required=("prompt",),
        optional=None,
    )
    return canonical.as_text(fields["prompt"], where=f"{where}#/prompt")
