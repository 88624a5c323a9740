from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetycase import digest
from safetycase.errors import MalformedInput

leaves = st.lists(st.binary(max_size=4), min_size=1, max_size=40)


def head(data: list[bytes]) -> bytes:
    """RFC 6962 §2.1, as written."""
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return hashlib.sha256(b"\x01" + head(data[:k]) + head(data[k:])).digest()


@given(leaves)
def test_root_is_the_recursive_definition(data: list[bytes]) -> None:
    assert digest.root(map(digest.leaf_hash, data)) == head(data)


def test_the_empty_tree() -> None:
    assert digest.root([]) == hashlib.sha256(b"").digest()


@given(leaves, st.data())
def test_proofs_hold_at_their_place_only(data: list[bytes], draw: st.DataObject) -> None:
    hashes = [digest.leaf_hash(d) for d in data]
    size, top = len(hashes), digest.root(hashes)
    index = draw.draw(st.integers(0, size - 1))
    proof = digest.inclusion_proof(hashes, index)
    digest.verify_inclusion(hashes[index], index, size, proof, top)
    other = draw.draw(st.integers(0, size - 1))
    if hashes[other] != hashes[index]:
        with pytest.raises(MalformedInput):
            digest.verify_inclusion(hashes[other], index, size, proof, top)
    with pytest.raises(MalformedInput):
        digest.verify_inclusion(hashes[index], index, size, (*proof, top), top)
    if proof:
        with pytest.raises(MalformedInput):
            digest.verify_inclusion(hashes[index], index, size, proof[:-1], top)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 1), (2**63, 2**63)])
def test_an_index_outside_the_tree_is_refused(index: int, size: int) -> None:
    leaf = digest.leaf_hash(b"")
    with pytest.raises(MalformedInput, match="an index inside"):
        digest.verify_inclusion(leaf, index, size, [], leaf)
    with pytest.raises(MalformedInput, match="an index inside"):
        digest.inclusion_proof([leaf] * min(size, 1), index)


def test_a_node_does_not_pass_for_a_leaf() -> None:
    a, b = digest.leaf_hash(b"a"), digest.leaf_hash(b"b")
    assert digest.root([a, b]) == digest.node_hash(a, b) != digest.leaf_hash(a + b)


def test_hashes_of_other_lengths_are_refused() -> None:
    with pytest.raises(MalformedInput, match="hashes of 32 bytes"):
        digest.root([b"short"])


def consistency(old: int, data: list[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 6962 §2.1.2, as written: SUBPROOF(m, D[n], b)."""
    size = len(data)
    if old == size:
        return [] if whole else [head(data)]
    k = 1
    while k * 2 < size:
        k *= 2
    if old <= k:
        return [*consistency(old, data[:k], whole=whole), head(data[k:])]
    return [*consistency(old - k, data[k:], whole=False), head(data[:k])]


SIZES = [(old, new) for new in range(1, 18) for old in range(1, new + 1)]
DATA = [bytes([n]) for n in range(18)]


@pytest.mark.parametrize(("old", "new"), SIZES)
def test_a_tree_that_grew_is_consistent_and_nothing_else_is(old: int, new: int) -> None:
    first, second = head(DATA[:old]), head(DATA[:new])
    proof = consistency(old, DATA[:new])
    digest.verify_consistency(old, new, proof, first, second)
    other = digest.leaf_hash(b"other")
    refused = [
        (old, new, proof, other, second),
        (old, new, proof, first, other),
        (old, new, [*proof, other], first, second),
        (old, new, proof[:-1], first, second),
        *(
            (old, new, [*proof[:n], other, *proof[n + 1 :]], first, second)
            for n in range(len(proof))
        ),
    ]
    for number, arguments in enumerate(refused):
        if arguments[2] != proof or number < 2:
            with pytest.raises(MalformedInput, match="consistency proof"):
                digest.verify_consistency(*arguments)


@pytest.mark.parametrize(("old", "new"), [(0, 4), (-1, 4), (5, 4)])
def test_consistency_of_sizes_that_cannot_be_is_refused(old: int, new: int) -> None:
    with pytest.raises(MalformedInput, match="an index inside the tree"):
        digest.verify_consistency(old, new, [], head(DATA[:4]), head(DATA[:4]))


@pytest.mark.parametrize("place", range(3))
def test_consistency_asks_for_whole_hashes(place: int) -> None:
    given = [head(DATA[:3]), head(DATA[:4]), *consistency(3, DATA[:4])]
    given[place] = given[place][:-1]
    with pytest.raises(MalformedInput, match="hashes of 32 bytes"):
        digest.verify_consistency(3, 4, given[2:], given[0], given[1])


@pytest.mark.parametrize("place", range(3))
def test_inclusion_asks_for_whole_hashes(place: int) -> None:
    hashes = [digest.leaf_hash(d) for d in DATA[:4]]
    given = [hashes[2], digest.root(hashes), *digest.inclusion_proof(hashes, 2)]
    given[place] += b"0"
    with pytest.raises(MalformedInput, match="hashes of 32 bytes"):
        digest.verify_inclusion(given[0], 2, 4, given[2:], given[1])


@pytest.mark.parametrize("size", range(1, 34))
def test_every_leaf_of_a_small_tree_is_included_at_its_place_alone(size: int) -> None:
    hashes = [digest.leaf_hash(bytes([n])) for n in range(size)]
    top = digest.root(hashes)
    for index in range(size):
        proof = digest.inclusion_proof(hashes, index)
        digest.verify_inclusion(hashes[index], index, size, proof, top)
        for other in (index - 1, index + 1):
            if 0 <= other < size:
                with pytest.raises(MalformedInput):
                    digest.verify_inclusion(hashes[index], other, size, proof, top)
