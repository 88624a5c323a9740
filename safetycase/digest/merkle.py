"""RFC 6962 trees: the head over leaf hashes, and proofs about one leaf or two heads.

Leaves and nodes are hashed under different tags, so that no node passes for a leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from safetycase.errors import MalformedInput

LEAF_TAG = b"\x00"
NODE_TAG = b"\x01"
HASH_BYTES = 32


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data): RFC 6962 §2.1."""
    return hashlib.sha256(LEAF_TAG + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right): RFC 6962 §2.1."""
    return hashlib.sha256(NODE_TAG + left + right).digest()


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """The RFC 6962 tree head over leaf hashes, in memory of one hash a level.

    The empty tree's head is SHA-256 of nothing, as the RFC has it; whoever needs at least one
    leaf must say so.
    """
    subtrees: list[bytes] = []
    for count, leaf in enumerate(leaf_hashes):
        _require_hash(leaf, "leaf")
        merged = leaf
        for level in range(count.bit_length()):
            if not count >> level & 1:
                break
            merged = node_hash(subtrees.pop(), merged)
        subtrees.append(merged)
    if not subtrees:
        return hashlib.sha256().digest()
    head = subtrees.pop()
    while subtrees:
        head = node_hash(subtrees.pop(), head)
    return head


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The audit path of a leaf (RFC 9162 §2.1.3.1), from the leaf's sibling upwards."""
    size = len(leaf_hashes)
    _require_index(index, size, "inclusion proof")
    if size == 1:
        return ()
    split = 1 << (size - 1).bit_length() - 1
    if index < split:
        beside = root(leaf_hashes[split:])
        return (*inclusion_proof(leaf_hashes[:split], index), beside)
    beside = root(leaf_hashes[:split])
    return (*inclusion_proof(leaf_hashes[split:], index - split), beside)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> None:
    """Return only if the leaf hash stands at `index` in the tree of that size and root.

    RFC 9162 §2.1.3.2. Raises MalformedInput otherwise; says nothing of what the leaf means.
    """
    where = "inclusion proof"
    _require_index(index, size, where)
    for node in (leaf, expected_root, *proof):
        _require_hash(node, where)
    position, last, computed = index, size - 1, leaf
    for node in proof:
        if last == 0:
            raise MalformedInput(where, "no node beyond the root")
        if position & 1 or position == last:
            computed = node_hash(node, computed)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            computed = node_hash(computed, node)
        position, last = position >> 1, last >> 1
    if last != 0 or computed != expected_root:
        raise MalformedInput(where, f"the root {expected_root.hex()}", found=computed.hex())


def verify_consistency(
    old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Return only if the new tree begins with the leaves of the old one, both non-empty.

    RFC 9162 §2.1.4.2. Raises MalformedInput otherwise. An old tree of size 0 proves nothing
    and is refused.
    """
    where = "consistency proof"
    _require_index(old_size - 1, new_size, where)
    for node in (old_root, new_root, *proof):
        _require_hash(node, where)
    if old_size == new_size:
        if proof or old_root != new_root:
            raise MalformedInput(where, "equal roots and no nodes for equal sizes")
        return
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not path:
        raise MalformedInput(where, "at least one node")
    old, new = _fold_consistency(path, old_size - 1, new_size - 1, where)
    if old != old_root or new != new_root:
        raise MalformedInput(where, "nodes that give both roots")


def _fold_consistency(
    path: list[bytes], position: int, last: int, where: str
) -> tuple[bytes, bytes]:
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for node in path[1:]:
        if last == 0:
            raise MalformedInput(where, "no node beyond the root")
        if position & 1 or position == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, node)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise MalformedInput(where, "nodes up to the root")
    return old, new


def _require_hash(value: bytes, where: str) -> None:
    if len(value) != HASH_BYTES:
        raise MalformedInput(where, f"hashes of {HASH_BYTES} bytes", found=str(len(value)))


def _require_index(index: int, size: int, where: str) -> None:
    if not 0 <= index < size:
        raise MalformedInput(where, "an index inside the tree", found=f"{index} of {size}")
