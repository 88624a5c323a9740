"""Noise is shared by arms, depends on item and step, and draws by the softmax."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from safetycase.methods.stream import Stream
from safetycase.record.plan import Sampling
from safetycase.run.sampling import gumbel, next_tokens, noise_key


def reference_noise(key: int, step: int, token: int) -> float:
    """The specification, in plain integers."""
    mask = 2**64 - 1
    x = (key + (step << 32) + token) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    x ^= x >> 31
    uniform = ((x >> 11) + 0.5) * 2.0**-53
    return float(-np.log(-np.log(uniform)))


def test_noise_is_that_of_the_specification() -> None:
    keys = np.array([0, 1, 2**64 - 1, 0x123456789ABCDEF], dtype=np.uint64)
    tokens = np.array([[0, 1, 261_999]] * 4)
    for step in (0, 1, 31):
        found = gumbel(keys, step, tokens)
        for i, key in enumerate(keys.tolist()):
            for j, token in enumerate(tokens[i].tolist()):
                assert found[i, j] == reference_noise(key, step, token)


def test_keys_depend_on_every_part_and_on_nothing_else() -> None:
    base = noise_key("seed", "evaluation", "item", 0)
    assert base == Stream("seed", "sampling/evaluation/item/0").word()
    others = {
        noise_key("other", "evaluation", "item", 0),
        noise_key("seed", "other", "item", 0),
        noise_key("seed", "evaluation", "other", 0),
        noise_key("seed", "evaluation", "item", 1),
    }
    assert len(others | {base}) == 5


def test_draws_follow_the_softmax_of_the_likeliest() -> None:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0]).repeat(20_000, 1)
    keys = np.array(
        [int.from_bytes(hashlib.sha256(str(i).encode()).digest()[:8]) for i in range(20_000)],
        dtype=np.uint64,
    )
    drawn = next_tokens(logits, Sampling(temperature=0.5, top_k=3), keys, 4)
    shares = np.bincount(drawn.numpy(), minlength=4) / 20_000
    expected = np.exp(np.array([4.0, 2.0, 0.0]))
    expected /= expected.sum()
    assert shares[3] == 0.0
    np.testing.assert_allclose(shares[:3], expected, atol=0.01)


def test_equal_keys_draw_equal_tokens_in_any_batch() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn((6, 50), generator=generator)
    keys = np.arange(6, dtype=np.uint64)
    sampling = Sampling(temperature=1.0, top_k=50)
    together = next_tokens(logits, sampling, keys, 2)
    for row in range(6):
        alone = next_tokens(logits[row : row + 1], sampling, keys[row : row + 1], 2)
        assert int(alone) == int(together[row])


def test_temperature_zero_is_greedy() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [5.0, 3.0, 1.0]])
    keys = np.zeros(2, dtype=np.uint64)
    assert next_tokens(logits, Sampling(temperature=0.0, top_k=9), keys, 0).tolist() == [1, 0]
    assert next_tokens(logits, Sampling(temperature=1.0, top_k=1), keys, 0).tolist() == [1, 0]
