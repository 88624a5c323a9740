"""From a text, or from log-probabilities, to an outcome: no model, no judge, no state.

Text is folded before it is compared. What folding and matching mean is fixed here, since a
curly apostrophe alone moves the recall of a refusal list by 16 points.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused

_ORDERS = 2


CHOICE_OUTCOMES = ("tie", "matching", "other")
"""Which of two answers the model finds likelier over both letter orders: 0, above 0, below."""

LogProbability = float | NDArray[np.float64]

_STRAIGHT = (
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4\u02bc", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"')
    | dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", "")
)
_NUMBER = re.compile(
    r"(?:(?<![\w.])[-\u2212])?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?"
)
_NOT_STRAIGHT = re.compile(f"[{''.join(_STRAIGHT)}]")


def fold(text: str) -> str:
    """Give the spelling under which texts are compared: one case, one apostrophe, one space.

    Curly quotes and primes become straight; soft hyphens and zero-width characters go; NFKC;
    case folding; NFKC again; every run of white space becomes one space, none at either end.
    Applying it twice changes nothing. Look-alikes of other scripts stay apart; characters newer
    than the Unicode tables of the running Python are left as they are.

    Source: Unicode 15, section 3.13, toNFKC_Casefold; the quotes are ours.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    # Twice, since NFKC takes some primes apart and makes new ones.
    composed = _straighten(unicodedata.normalize("NFKC", _straighten(text)))
    return " ".join(unicodedata.normalize("NFKC", composed.casefold()).split())


def _straighten(text: str) -> str:
    return _NOT_STRAIGHT.sub(lambda found: _STRAIGHT[found[0]], text)


@functools.lru_cache(maxsize=4096)
def _needle(phrase: str) -> str:
    folded = fold(phrase)
    if not folded:
        raise MethodRefused("phrase", "at least one character to look for", found=repr(phrase))
    return folded


def contains_phrase(folded: str, phrase: str) -> bool:
    """Say whether a folded text has the phrase in it as whole words.

    A word is a run of letters, digits, underscores and inner apostrophes: "can" is not in
    "can't" nor in "canny", and is in "can-do". An end of the phrase that is no word character
    needs no boundary. The phrase is folded here. Refused: a phrase with nothing in it.
    """
    return _stands_in(folded, _needle(phrase))


def _stands_in(folded: str, needle: str) -> bool:
    start = folded.find(needle)
    while start >= 0:
        end = start + len(needle)
        if not (_joins(folded, start) or _joins(folded, end)):
            return True
        start = folded.find(needle, start + 1)
    return False


def starts_with_phrase(folded: str, phrase: str) -> bool:
    """Say whether a folded text begins with the phrase as whole words, as `contains_phrase`."""
    needle = _needle(phrase)
    return folded.startswith(needle) and not _joins(folded, len(needle))


def includes(folded: str, phrase: str) -> bool:
    """Say whether a folded text has the phrase in it anywhere, inside words too."""
    return _needle(phrase) in folded


def equals(folded: str, phrase: str) -> bool:
    """Say whether a folded text is the phrase and nothing else."""
    return folded == _needle(phrase)


def last_number(folded: str) -> float | None:
    """Give the last number that is written in figures in a folded text; none if none is.

    Commas may part thousands; a minus counts unless a word or figure stands before it; what
    follows an `e` is a word of its own.
    """
    found = _NUMBER.findall(folded)
    if not found:
        return None
    return float(found[-1].replace(",", "").replace("\u2212", "-"))


def number_of(phrase: str) -> float:
    """Give the one number that a phrase is; refused if it is anything else."""
    whole = _NUMBER.fullmatch(fold(phrase))
    if whole is None:
        raise MethodRefused("a number to compare with", "one in figures", found=repr(phrase))
    return float(whole[0].replace(",", "").replace("\u2212", "-"))


def ends_in_number(folded: str, phrase: str, tolerance: float) -> bool:
    """Say whether the last number of a folded text is that of the phrase, give or take."""
    last, wanted = last_number(folded), number_of(phrase)
    return last is not None and abs(last - wanted) <= tolerance


def choice_margin(
    orders: Sequence[tuple[LogProbability, LogProbability]],
) -> NDArray[np.float64]:
    """Give the mean over letter orders of log p(matching) - log p(other), in nats.

    One pair per order, both orders (or the only one there is); each of a pair is a number, or
    one number per row. Averaging over both orders removes a preference for a letter or a place
    that adds the same log-odds to either. Refused: no order, more than two, log-probabilities
    that are not finite.

    Source: order debiasing, Zheng et al. 2023, arXiv 2309.03882.
    """
    if not 1 <= len(orders) <= _ORDERS:
        raise MethodRefused("choice", "one or two letter orders", found=str(len(orders)))
    for matching, other in orders:
        if not (np.isfinite(matching).all() and np.isfinite(other).all()):
            raise MethodRefused("choice", "finite log-probabilities", found="infinity or NaN")
    total = sum(np.subtract(matching, other) for matching, other in orders)
    return np.asarray(total / len(orders))


def choice(orders: Sequence[tuple[LogProbability, LogProbability]]) -> NDArray[np.int8]:
    """Give the place in `CHOICE_OUTCOMES` of the answer with the higher mean log-probability.

    Pairs and refusals as in `choice_margin`; a margin of exactly 0 is a tie. A tie is an
    outcome of its own: not counted for either answer, it stays in the denominator.
    """
    margin = choice_margin(orders)
    return np.where(margin > 0.0, 1, np.where(margin < 0.0, 2, 0)).astype(np.int8)


def _joins(text: str, at: int) -> bool:
    """Whether the characters on both sides of `at` belong to one word."""
    return _wordy(text, at - 1, -1) and _wordy(text, at, 1)


def _wordy(text: str, at: int, outwards: int) -> bool:
    """Whether the character at `at` is in a word; an apostrophe is if one goes on behind it."""
    if not 0 <= at < len(text):
        return False
    character = text[at]
    if character == "'":
        beyond = at + outwards
        return 0 <= beyond < len(text) and text[beyond].isalnum()
    return character == "_" or character.isalnum()
