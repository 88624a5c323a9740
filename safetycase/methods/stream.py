"""Uniform draws that any language reproduces: SHA-256 in counter mode.

The specification, complete (`||` joins bytes; `u64(v)` is v as eight bytes, big-endian;
`framed(s)` is `u64(length of the UTF-8 bytes of s) || those bytes`):

* key      = SHA-256("safetycase.stream.v1" || 0x00 || framed(seed) || framed(purpose))
* block i  = SHA-256(key || u64(i)), i = 0, 1, 2, …
* words    = the four big-endian 64-bit words of block 0 in order, then those of block 1, …
* below(n) = take words until one is less than 2^64 - (2^64 mod n); that word mod n.
  1 <= n <= 2^64. At least one word is taken, for n = 1 too.
* uniform  = (next word >> 11) · 2^-53, in [0, 1)
* sample(n, k) = let a = 0, 1, …, n-1; for i = 0 … k-1: swap a[i] with a[i + below(n - i)];
  the first k of a, in that order (partial Fisher-Yates; Knuth, TAOCP 2, algorithm 3.4.2P)
* derive_seed(seed, purpose, value) = lower-case hexadecimal of
  SHA-256("safetycase.seed.v1" || 0x00 || framed(seed) || framed(purpose) || framed(value))
* case_seed(digest, value) = derive_seed(digest, "case", value); without a value, the digest

Why not a library's generator: NumPy may change its streams between releases (NEP 19).
The draws are fixed by the seed, not unpredictable to whoever chooses the seed.
"""

from __future__ import annotations

import hashlib
import struct

from safetycase.errors import MethodRefused

_WORD_VALUES = 2**64
_WORDS = struct.Struct(">4Q")
_COUNTER = struct.Struct(">Q")


def derive_seed(seed: str, purpose: str, value: str = "") -> str:
    """Turn a seed into that of one purpose, so that no seed is a free choice.

    `value` is one that nobody knew when the plan was fixed, if there is any. Refused: an empty
    seed or purpose.
    """
    for name, text in (("seed", seed), ("purpose", purpose)):
        if not text:
            raise MethodRefused("derive_seed", f"a {name}", found="an empty string")
    return _domain_hash("safetycase.seed.v1", seed, purpose, value).hex()


def case_seed(plan_digest: str, value: str | None) -> str:
    """What every draw and split of a case derives from.

    `value` is what the plan waited for: a witness's nonce or a beacon's round, 64 hexadecimal
    digits. Without one, the plan alone fixes the seed, and its author may try many plans.
    """
    return plan_digest if value is None else derive_seed(plan_digest, "case", value)


class Stream:
    """Yield the draws that `seed` and `purpose` fix, one after the other.

    Two streams of one seed and different purposes share no words. The order of calls matters:
    a stream is read once, front to back.
    """

    def __init__(self, seed: str, purpose: str) -> None:
        """Start at word 0 of the stream that the two strings name."""
        self._key = _domain_hash("safetycase.stream.v1", seed, purpose)
        self._next_block = 0
        self._waiting: list[int] = []

    def word(self) -> int:
        """Give the next word of the stream, an integer in [0, 2^64)."""
        if not self._waiting:
            block = hashlib.sha256(self._key + _COUNTER.pack(self._next_block)).digest()
            self._next_block += 1
            self._waiting.extend(reversed(_WORDS.unpack(block)))
        return self._waiting.pop()

    def below(self, n: int) -> int:
        """Give an integer in [0, n), each with the same chance (rejection, no modulo bias)."""
        if not 1 <= n <= _WORD_VALUES:
            raise MethodRefused("Stream.below", "n from 1 to 2^64", found=str(n))
        limit = _WORD_VALUES - _WORD_VALUES % n
        while (word := self.word()) >= limit:
            pass
        return word % n

    def uniform(self) -> float:
        """Give a multiple of 2^-53 in [0, 1), each with the same chance."""
        return (self.word() >> 11) * 2.0**-53

    def sample(self, n: int, k: int) -> list[int]:
        """Give k distinct integers of [0, n) in random order; `sample(n, n)` is a permutation.

        Takes k calls of `below`; memory grows with k, not with n.
        """
        if not 0 <= k <= n:
            raise MethodRefused("Stream.sample", "0 <= k <= n", found=f"n = {n}, k = {k}")
        moved: dict[int, int] = {}
        drawn = []
        for i in range(k):
            # `below`, written out: a permutation calls it for every place.
            left = n - i
            limit = _WORD_VALUES - _WORD_VALUES % left
            while (word := self.word()) >= limit:
                pass
            j = i + word % left
            drawn.append(moved.get(j, j))
            moved[j] = moved.get(i, i)
        return drawn


def _domain_hash(domain: str, *fields: str) -> bytes:
    """Hash fields so that no two lists of fields, and no two domains, give the same bytes."""
    state = hashlib.sha256(domain.encode() + b"\x00")
    for field in fields:
        try:
            text = field.encode()
        except UnicodeEncodeError as error:
            raise MethodRefused(
                "stream", "text that UTF-8 can write", found=str(error)
            ) from None
        state.update(_COUNTER.pack(len(text)) + text)
    return state.digest()
