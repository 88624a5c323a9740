"""A tokenizer whose merges were lost is refused; sound ones, and small ones, are not."""

from __future__ import annotations

from itertools import product

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from safetycase.errors import RunFailed
from safetycase.run.vocabulary import require_words
from tests.run.test_organism import ORGANISM

SYLLABLES = [a + b for a, b in product("bdfgklmnprst", "aeiou")]
WORDS = [one + other for one, other in product(SYLLABLES[:20], SYLLABLES[:20])]


def byte_pairs(words: list[str], *, merged: bool) -> PreTrainedTokenizerFast:
    """Letters, syllables and words of two syllables, with or without the merges between."""
    letters = sorted({letter for syllable in SYLLABLES for letter in syllable})
    pieces = list(dict.fromkeys([*letters, *SYLLABLES, *words]))
    merges = [(s[0], s[1]) for s in SYLLABLES] + [(word[:2], word[2:]) for word in words]
    inner = Tokenizer(
        models.BPE({piece: n for n, piece in enumerate(pieces)}, merges if merged else [])
    )
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    inner.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=inner)


def test_lost_merges_are_refused() -> None:
    whole, broken = (byte_pairs(WORDS, merged=merged) for merged in (True, False))
    assert whole.get_vocab() == broken.get_vocab()
    require_words(whole, where="made")
    with pytest.raises(RunFailed) as refused:
        require_words(broken, where="made")
    assert refused.value.where == "tokenizer of made"
    assert "0 of 400" in str(refused.value.found)
    assert "as 4 tokens" in str(refused.value.found)
    assert "another release of transformers" in str(refused.value.remedy)


def test_a_vocabulary_with_few_words_is_not_judged() -> None:
    require_words(byte_pairs(WORDS[:50], merged=False), where="made")


def test_the_organisms_is_sound() -> None:
    require_words(AutoTokenizer.from_pretrained(ORGANISM / "model"), where="organism")
