from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from safetycase.errors import MethodRefused
from safetycase.methods.stream import Stream, derive_seed

SHORT_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def words_by_the_specification(seed: str, purpose: str) -> Iterator[int]:
    """The docstring of `stream`, written again from its sentences alone."""
    framed = b"".join(
        len(text.encode()).to_bytes(8, "big") + text.encode() for text in (seed, purpose)
    )
    key = hashlib.sha256(b"safetycase.stream.v1\x00" + framed).digest()
    block = 0
    while True:
        digest = hashlib.sha256(key + block.to_bytes(8, "big")).digest()
        yield from (int.from_bytes(digest[i : i + 8], "big") for i in (0, 8, 16, 24))
        block += 1


def below_by_the_specification(words: Iterator[int], n: int) -> int:
    return next(word for word in words if word < 2**64 - 2**64 % n) % n


def test_known_words() -> None:
    stream = Stream("safetycase", "known answer")
    assert [stream.word() for _ in range(6)] == [
        0x469486A91669B241,
        0x3870145612DA2C4D,
        0x734BE769CFE631D4,
        0x7BB9A2C5F746BEDE,
        0x1660D093C3952A9D,
        0x925FD9FA81297AF8,
    ]


def test_known_draws() -> None:
    stream = Stream("safetycase", "known answer")
    assert [stream.below(10) for _ in range(12)] == [1, 1, 4, 6, 1, 8, 4, 0, 4, 2, 9, 9]
    assert stream.uniform() == float.fromhex("0x1.4b69ccef427a0p-5")


def test_known_samples() -> None:
    stream = Stream("safetycase", "known answer")
    assert stream.sample(10, 10) == [1, 8, 6, 4, 9, 0, 5, 2, 7, 3]
    assert stream.sample(10**12, 3) == [239399394639, 839478616102, 369598159982]


def test_known_seeds() -> None:
    plain = "9234c32fe79b53789e73f74a71266cb8162c97b572b2559639ebbab91bf87323"
    with_beacon = "22c6bfe47dcde1f4168d49d0441b983a1f3b9994e496139dcd33c26a80a4c056"
    assert derive_seed("sha256:00", "splits") == plain
    assert derive_seed("sha256:00", "splits", "round 7") == with_beacon


@given(SHORT_TEXT, SHORT_TEXT, st.lists(st.integers(1, 2**64), max_size=9))
@settings(deadline=None)
def test_draws_are_those_of_the_specification(
    seed: str, purpose: str, sizes: list[int]
) -> None:
    stream, words = Stream(seed, purpose), words_by_the_specification(seed, purpose)
    assert [stream.below(n) for n in sizes] == [
        below_by_the_specification(words, n) for n in sizes
    ]
    assert stream.uniform() == (next(words) >> 11) / 2**53


@given(st.integers(0, 40), st.data())
@settings(deadline=None)
def test_sample_is_a_partial_shuffle(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    words = words_by_the_specification("s", "shuffle")
    array = list(range(n))
    for i in range(k):
        j = i + below_by_the_specification(words, n - i)
        array[i], array[j] = array[j], array[i]
    assert Stream("s", "shuffle").sample(n, k) == array[:k]


def test_words_over_the_last_whole_multiple_are_passed_over() -> None:
    n = 2**63 + 1
    words = words_by_the_specification("safetycase", "rejected 1")
    first_kept = next(i for i, word in enumerate(words) if word < n)
    assert first_kept == 2
    stream = Stream("safetycase", "rejected 1")
    unread = Stream("safetycase", "rejected 1")
    assert stream.below(n) == [unread.word() for _ in range(3)][2]
    assert stream.word() == unread.word()


def test_one_value_takes_a_word() -> None:
    stream, other = Stream("s", "p"), Stream("s", "p")
    assert stream.below(1) == 0
    other.word()
    assert stream.word() == other.word()


def test_fields_cannot_be_shifted_into_each_other() -> None:
    firsts = [Stream(*pair).word() for pair in (("ab", "c"), ("a", "bc"), ("abc", ""))]
    assert len(set(firsts)) == 3
    assert derive_seed("ab", "c") != derive_seed("a", "bc")
    assert derive_seed("a", "b", "c") != derive_seed("a", "bc")


def test_draws_are_spread_evenly() -> None:
    stream = Stream("even", "chi-square")
    counts = Counter(stream.below(7) for _ in range(7000))
    assert stats.chisquare([counts[i] for i in range(7)]).pvalue > 1e-4
    orders = Counter(tuple(stream.sample(3, 3)) for _ in range(3000))
    assert len(orders) == 6
    assert stats.chisquare(list(orders.values())).pvalue > 1e-4


@pytest.mark.parametrize("n", [0, -1, 2**64 + 1])
def test_no_value_below(n: int) -> None:
    with pytest.raises(MethodRefused) as refused:
        Stream("s", "p").below(n)
    assert refused.value.where == "Stream.below"
    assert refused.value.found == str(n)


@pytest.mark.parametrize(("n", "k"), [(3, 4), (3, -1), (-1, 0)])
def test_no_sample(n: int, k: int) -> None:
    with pytest.raises(MethodRefused) as refused:
        Stream("s", "p").sample(n, k)
    assert refused.value.where == "Stream.sample"


@pytest.mark.parametrize(("digest", "purpose"), [("", "p"), ("d", "")])
def test_no_seed_from_nothing(digest: str, purpose: str) -> None:
    with pytest.raises(MethodRefused) as refused:
        derive_seed(digest, purpose)
    assert refused.value.where == "derive_seed"


def test_no_stream_from_a_lone_surrogate() -> None:
    with pytest.raises(MethodRefused) as refused:
        Stream("\ud800", "p")
    assert refused.value.expected == "text that UTF-8 can write"
