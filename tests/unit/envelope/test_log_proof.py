"""That bytes stand in a log: what a proof says, its paths and its spelling."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetycase.digest import leaf_hash, node_hash
from safetycase.envelope.checkpoint import read_checkpoint
from safetycase.envelope.log_proof import (
    MAX_HASHES,
    MAX_PROOF_BYTES,
    Logged,
    equivocates,
)
from safetycase.envelope.signed_note import MAX_SIGNATURES
from safetycase.errors import (
    MalformedInput,
    SafetyCaseError,
    TooLarge,
)
from tests.fuzz.targets import scrambled
from tests.kit.toy_log import (
    CLASSIC,
    MODERN,
    ORIGIN,
    TIME,
    ToyLog,
    b64,
    line,
    spell,
    trust,
)
from tests.unit.envelope.proofs import (
    CLASSIC_LINE,
    ENTRIES,
    ENTRY,
    LOG_LINE,
    MODERN_LINE,
    PROOF,
    START,
    read,
    toy,
    with_lines,
)


def test_what_a_proof_says() -> None:
    found = read(PROOF)
    assert found == Logged(
        origin=ORIGIN,
        index=3,
        size=7,
        root=read_checkpoint(toy().text() + f"\n{LOG_LINE}\n", where="test").root,
        at=START + timedelta(minutes=1),
        witnesses=(CLASSIC, MODERN),
    )


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 13])
def test_every_entry_of_any_log_has_a_proof_of_its_own(size: int) -> None:
    log = ToyLog()
    entries = [f"{n}".encode() for n in range(size)]
    assert read(log.add(entries), entries[-1]).size == size
    for index, entry in enumerate(entries):
        assert read(log.proof(index), entry).index == index
        with pytest.raises(MalformedInput, match="expected the root"):
            read(log.proof(index), entry + b" ")


def test_an_entry_may_be_empty() -> None:
    assert read(ToyLog().add([b""]), b"").index == 0


# Inclusion (items 36 to 38, 42).


@pytest.mark.parametrize(
    "entry",
    [
        hashlib.sha256(ENTRY).digest(),
        hashlib.sha256(ENTRY).hexdigest().encode(),
        leaf_hash(ENTRY),
        b"\0" + ENTRY,
        ENTRY + b"\n",
        ENTRIES[2],
        b"",
        leaf_hash(ENTRIES[2]) + leaf_hash(ENTRY),
        b"\1" + leaf_hash(ENTRIES[2]) + leaf_hash(ENTRY),
    ],
)
def test_a_proof_of_one_entry_is_no_proof_of_another(entry: bytes) -> None:
    with pytest.raises(MalformedInput, match=r"^plan.tlog-proof: inclusion proof: .* the root"):
        read(PROOF, entry)


def test_a_node_is_no_entry() -> None:
    """Second preimage: the node over entries 2 and 3 offered as one entry of a smaller tree."""
    node = leaf_hash(ENTRIES[2]) + leaf_hash(ENTRY)
    assert node_hash(node[:32], node[32:]) != leaf_hash(node)
    log = toy()
    proof = spell(1, log.hashes(3)[1:], log.text(), log.lines(log.text()))
    with pytest.raises(MalformedInput, match="inclusion proof"):
        read(proof, node)
    with pytest.raises(MalformedInput, match="inclusion proof"):
        read(proof, b"\1" + node)


@pytest.mark.parametrize("index", [0, 1, 2, 4, 5, 6])
def test_a_proof_of_another_index_is_refused(index: int) -> None:
    for hashes in (toy().hashes(3), toy().hashes(index)):
        proof = spell(index, hashes, toy().text(), [LOG_LINE, CLASSIC_LINE, MODERN_LINE])
        with pytest.raises(MalformedInput, match="inclusion proof"):
            read(proof)


@pytest.mark.parametrize("index", [7, 8, 2**63, 2**64 - 1])
def test_an_index_outside_the_tree_is_refused(index: int) -> None:
    proof = spell(index, toy().hashes(3), toy().text(), toy().lines(toy().text()))
    with pytest.raises(MalformedInput, match=f"an index inside the tree, found {index} of 7"):
        read(proof)


def altered_hashes() -> list[tuple[bytes, ...]]:
    hashes = toy().hashes(3)
    return [
        (),
        hashes[:-1],
        hashes[1:],
        hashes[::-1],
        (*hashes, hashes[-1]),
        (hashes[0], *hashes),
        (*hashes, bytes(32)),
        *(
            (*hashes[:n], bytes([hashes[n][0] ^ 1]) + hashes[n][1:], *hashes[n + 1 :])
            for n in range(len(hashes))
        ),
        (bytes(32),) * MAX_HASHES,
    ]


@pytest.mark.parametrize("hashes", altered_hashes())
def test_another_path_is_refused(hashes: tuple[bytes, ...]) -> None:
    proof = spell(3, hashes, toy().text(), [LOG_LINE, CLASSIC_LINE, MODERN_LINE])
    with pytest.raises(MalformedInput, match="inclusion proof"):
        read(proof)


@pytest.mark.parametrize("size", [0, 3, 4, 2**63, 2**64 - 1])
def test_a_size_that_does_not_fit_is_refused_though_all_sign_it(size: int) -> None:
    log = toy()
    text = log.text().replace("\n7\n", f"\n{size}\n")
    with pytest.raises(MalformedInput, match="inclusion proof"):
        read(spell(3, log.hashes(3), text, log.lines(text)))


def test_an_empty_tree_holds_nothing() -> None:
    log = ToyLog()
    proof = spell(0, (), log.text(), log.lines(log.text()))
    for entry in (b"", ENTRY):
        with pytest.raises(MalformedInput, match="an index inside the tree, found 0 of 0"):
            read(proof, entry)


def test_the_deepest_tree() -> None:
    """Entry 0 of 2^64 - 1: a path of 64 hashes, each on the right."""
    hashes = tuple(bytes([n]) * 32 for n in range(MAX_HASHES))
    head = leaf_hash(ENTRY)
    for node in hashes:
        head = node_hash(head, node)
    log = toy()
    text = f"{ORIGIN}\n{2**64 - 1}\n{b64(head)}\n"
    assert read(spell(0, hashes, text, log.lines(text))).size == 2**64 - 1
    with pytest.raises(TooLarge, match="at most 64 hashes, found 65"):
        read(spell(0, (*hashes, hashes[0]), text, log.lines(text)))


# Spelling (item 39).


def swapped(old: str, new: str, count: int = 1) -> bytes:
    text = PROOF.decode()
    assert old in text
    return text.replace(old, new, count).encode()


HEADER = "c2sp.org/tlog-proof@v1\n"


@pytest.mark.parametrize(
    "proof",
    [
        b"",
        b"\n",
        b"\n\n",
        HEADER.encode(),
        b"\xff" + PROOF,
        b"\xef\xbb\xbf" + PROOF,
        b"\n" + PROOF,
        PROOF[:-1],
        PROOF + b"\n",
        PROOF + b" ",
        PROOF + b"\0",
        PROOF + PROOF,
        PROOF.replace(b"\n", b"\r\n"),
        PROOF.replace(b"\n", b"\r"),
        PROOF.replace(b"\n", "\u2028".encode()),
        PROOF.replace(b"\n", b"\x0b"),
        PROOF.replace("\u2014".encode(), b"\x97"),
        swapped(HEADER, HEADER.upper()),
        swapped(HEADER, HEADER.replace("v1", "v2")),
        swapped(HEADER, HEADER.replace("\n", " \n")),
        swapped(HEADER, ""),
        swapped(HEADER, HEADER * 2),
        swapped(HEADER, HEADER + "\n"),
        swapped(HEADER, HEADER + "extra\n"),
        swapped(HEADER, HEADER + "extra A\n"),
        swapped(HEADER, HEADER + "extra AB==\n"),
        swapped(HEADER, HEADER + "extra  AA==\n"),
        swapped(HEADER, HEADER + "extra AA==\nextra AA==\n"),
        swapped(HEADER, HEADER + "Extra AA==\n"),
        swapped("index 3\n", ""),
        swapped("index 3\n", "index 3\nindex 3\n"),
        swapped("index 3\n", "index 3\nextra AA==\n"),
        *(
            swapped("index 3\n", f"{wrong}\n")
            for wrong in (
                "index", "index ", "index  3", "index 3 ", "index 03", "index +3", "index -3",
                "index 3.0", "index 0x3", "index 3_", "index \u0663", f"index {2**64}",
                "index " + "9" * 5000, "index\t3", "Index 3", "3", "index 00", "index\u00a03",
            )
        ),
        swapped("index 3\n", f"index 3\n{b64(bytes(31))}\n"),
        swapped("index 3\n", f"index 3\n{b64(bytes(33))}\n"),
        swapped("index 3\n", f"index 3\n{bytes(32).hex()}\n"),
        swapped("index 3\n", "index 3\n\n"),
        swapped(f"{ORIGIN}\n7\n", f"{ORIGIN}\n07\n"),
        swapped(f"{ORIGIN}\n7\n", f"{ORIGIN}\n+7\n"),
        swapped(f"{ORIGIN}\n7\n", f"{ORIGIN}\n-7\n"),
        swapped(f"{ORIGIN}\n7\n", f"{ORIGIN}\n7 \n"),
        swapped(f"{ORIGIN}\n7\n", f"{ORIGIN}\n18446744073709551616\n"),
        swapped(f"{ORIGIN}\n7\n", f"{ORIGIN}\n\n7\n"),
        swapped(f"{ORIGIN}\n7\n", f"{ORIGIN}\n"),
        swapped(f"{ORIGIN}\n7\n", "7\n"),
        swapped(f"\n\n{ORIGIN}\n7\n", f"\n\n\n{ORIGIN}\n7\n"),
        swapped(f"\n\n{ORIGIN}\n7\n", f"\n{ORIGIN}\n7\n"),
        swapped("=\n\n\u2014 ", "=\n\n\n\u2014 "),
        swapped("=\n\n\u2014 ", "=\n\u2014 "),
        swapped("\n\u2014 witness", "\n\n\u2014 witness"),
        swapped("\n\u2014 witness", "\n- witness"),
        swapped("\n\u2014 witness", "\n\u2013 witness"),
        swapped("\u2014 ", "- ", -1),
        swapped("\u2014 ", "\u2013 ", -1),
        swapped("\u2014 ", "\u2014\u00a0", -1),
        swapped("\u2014 ", "\u2014", -1),
        swapped("\u2014 ", "\u2014  ", -1),
    ],
)  # fmt: skip
def test_other_spellings_are_refused(proof: bytes) -> None:
    with pytest.raises(MalformedInput, match=r"^plan.tlog-proof"):
        read(proof)


@pytest.mark.parametrize("number", [str(2**64), "03", "x", ""])
def test_a_number_is_below_2_to_the_64(number: str) -> None:
    refusal = "a decimal number below 2\\^64"
    with pytest.raises(MalformedInput, match=f"^plan.tlog-proof: index: expected {refusal}"):
        read(swapped("index 3\n", f"index {number}\n"))
    if number:
        with pytest.raises(MalformedInput, match=f"checkpoint: size: expected {refusal}"):
            read(swapped(f"{ORIGIN}\n7\n", f"{ORIGIN}\n{number}\n"))


@pytest.mark.parametrize("length", [31, 33, 64])
def test_a_hash_has_32_bytes(length: int) -> None:
    refusal = f"expected 32 bytes, found {length}"
    with pytest.raises(MalformedInput, match=f"inclusion proof: {refusal}"):
        read(swapped("index 3\n", f"index 3\n{b64(bytes(length))}\n"))
    text = f"{ORIGIN}\n7\n{b64(bytes(length))}\n"
    with pytest.raises(MalformedInput, match=f"checkpoint: root: {refusal}"):
        read(spell(3, toy().hashes(3), text, [LOG_LINE]))


@pytest.mark.parametrize("text", [f"{ORIGIN}\n7\n", f"{ORIGIN}\n", "\n"])
def test_a_checkpoint_has_three_lines(text: str) -> None:
    with pytest.raises(MalformedInput, match="checkpoint: expected lines of origin, size and"):
        read(spell(3, toy().hashes(3), text, [LOG_LINE]))


@pytest.mark.parametrize("extra", ["", "AA==", b64(b"any\x00thing")])
def test_extra_data_is_ignored(extra: str) -> None:
    assert read(swapped(HEADER, f"{HEADER}extra {extra}\n")) == read(PROOF)


def test_proofs_are_limited() -> None:
    extra = b64(bytes(3 * (MAX_PROOF_BYTES - len(PROOF) - len("extra \n")) // 4))
    proof = swapped(HEADER, f"{HEADER}extra {extra}\n")
    assert MAX_PROOF_BYTES - 4 <= len(proof) <= MAX_PROOF_BYTES
    assert read(proof) == read(PROOF)
    with pytest.raises(TooLarge, match=f"at most {MAX_PROOF_BYTES} bytes, found"):
        read(swapped(HEADER, f"{HEADER}extra {extra}AAAAAAAA\n"))


def test_signatures_are_limited() -> None:
    lines = [LOG_LINE, CLASSIC_LINE, MODERN_LINE]
    junk = [line("junk", b"1234", b"5")] * (MAX_SIGNATURES - 3)
    assert read(with_lines(lines + junk)) == read(PROOF)
    with pytest.raises(TooLarge, match=r"checkpoint: expected at most 64 signatures, found 65"):
        read(with_lines([*lines, *junk, junk[0]]))


def test_sixteen_signatures_of_5_kb_fit() -> None:
    """signed-note: "MUST accept at least up to 16 signatures"."""
    large = [line(f"pq{n}.example", b"1234", bytes(5000)) for n in range(13)]
    assert read(with_lines([LOG_LINE, CLASSIC_LINE, MODERN_LINE, *large])) == read(PROOF)


def test_no_flipped_bit_changes_what_is_proved() -> None:
    """Each bit outside the extra data is needed; what is read can never differ."""
    proof = with_lines([LOG_LINE, CLASSIC_LINE])
    trusted = trust([toy().log], toy().witnesses[:1], 1)
    for position in range(len(proof)):
        for bit in range(8):
            flipped = bytearray(proof)
            flipped[position] ^= 1 << bit
            with pytest.raises(SafetyCaseError):
                read(bytes(flipped), trusted=trusted)


# Split view (item 40).


def test_two_trees_of_one_size_are_an_equivocation() -> None:
    one = read(PROOF)
    other = read(toy([*ENTRIES[:-1], b"other"]).proof(3))
    longer = read(toy([*ENTRIES, b"more"]).proof(3))
    moved = read(toy().proof(2, TIME + 5), ENTRIES[2])
    assert equivocates(one, other)
    assert equivocates(other, one)
    assert not equivocates(one, longer)
    assert not equivocates(one, moved)
    assert not equivocates(one, replace(other, origin="log.example/other"))


# Anything else.


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_a_scrambled_proof_says_the_same_or_nothing(seed: int) -> None:
    with suppress(SafetyCaseError):
        assert read(scrambled(PROOF, np.random.default_rng(seed))) == read(PROOF)


PIECES = st.sampled_from(
    [*PROOF.splitlines(keepends=True), b"\n", b"\xe2\x80\x94 ", b"index 0\n", b"extra \n", b"="]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=16).map(b"".join) | st.binary(max_size=200))
def test_any_bytes_are_a_proof_or_refused(data: bytes) -> None:
    with suppress(SafetyCaseError):
        assert read(data) == read(PROOF)
