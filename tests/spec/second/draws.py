"""Clause 8: draws that are the same in every language."""

import hashlib

SPLITS = ("discovery", "tuning", "held_out")


def framed(text: str) -> bytes:
    """The length of a text in eight bytes, and the text."""
    raw = text.encode("utf-8")
    return len(raw).to_bytes(8, "big") + raw


class Stream:
    """The stream of a seed and a purpose."""

    def __init__(self, seed: str, purpose: str) -> None:
        """Derive the key."""
        whole = b"safetycase.stream.v1\0" + framed(seed) + framed(purpose)
        self.key = hashlib.sha256(whole).digest()
        self.block = 0
        self.words: list[int] = []

    def word(self) -> int:
        """The next word of 64 bits."""
        if not self.words:
            block = hashlib.sha256(self.key + self.block.to_bytes(8, "big")).digest()
            self.block += 1
            self.words = [int.from_bytes(block[i : i + 8], "big") for i in range(0, 32, 8)]
        return self.words.pop(0)

    def below(self, n: int) -> int:
        """A number below n."""
        while (word := self.word()) >= 2**64 - 2**64 % n:
            pass
        return word % n

    def uniform(self) -> float:
        """A number from 0 to below 1."""
        return (self.word() >> 11) * 2.0**-53

    def sample(self, n: int, k: int) -> list[int]:
        """k of the numbers below n, in the order drawn."""
        a = list(range(n))
        for i in range(k):
            j = i + self.below(n - i)
            a[i], a[j] = a[j], a[i]
        return a[:k]


def seed_of(seed: str, purpose: str, value: str = "") -> str:
    """Clause 8.2: the seed of one purpose, from another seed and perhaps a value."""
    whole = b"safetycase.seed.v1\0" + framed(seed) + framed(purpose) + framed(value)
    return hashlib.sha256(whole).hexdigest()


def split_of(cluster: str, seed: str, shares: dict) -> str:
    """Clause 9.1: the split of a cluster."""
    drawn = Stream(seed, f"split:{cluster}").below(sum(shares[n] for n in SPLITS))
    for name in SPLITS:
        if drawn < shares[name]:
            return name
        drawn -= shares[name]
    raise AssertionError
