"""Whether a tokenizer uses the words of its own vocabulary."""

from __future__ import annotations

import re

from transformers import PreTrainedTokenizerFast

from safetycase.errors import RunFailed

_WORD = re.compile(r" ?[A-Za-z]{3,}")
_LOOKED_AT = 5000
_FEWEST, _LEAST_SHARE = 100, 0.8
"""Of 5042 pieces of Gemma 3 that are looked at, 2663 are words, and all of them one token."""


def require_words(tokenizer: PreTrainedTokenizerFast, *, where: str) -> None:
    """Refused: a tokenizer that spells its own words in pieces, RunFailed.

    transformers 5.17 reads Gemma's vocabulary from a GGUF file without its merges: every letter
    is a token, and a model asked so answers in broken words that nothing else gives away. About
    5000 pieces are looked at, evenly spaced; a vocabulary with few words is not judged.
    """
    step = max(1, len(tokenizer) // _LOOKED_AT)
    pieces = tokenizer.batch_decode([[number] for number in range(0, len(tokenizer), step)])
    words = [piece for piece in pieces if _WORD.fullmatch(piece)]
    if len(words) < _FEWEST:
        return
    coded = tokenizer(words, add_special_tokens=False)["input_ids"]
    whole = sum(len(ids) == 1 for ids in coded)
    if whole < _LEAST_SHARE * len(words):
        raise RunFailed(
            f"tokenizer of {where}",
            "words of its vocabulary as one token each",
            found=f"{whole} of {len(words)}, {words[-1]!r} as {len(coded[-1])} tokens",
            remedy="Its merges were not read: install another release of transformers, empty "
            "the cache of converted models, and try again.",
        )
