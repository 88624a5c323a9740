"""What makes features of pre-activations: one function for each way, all per token.

h is [..., width], float32; results have its shape. BatchTopK is not among them: in training it
depends on what else is in the batch, and what is saved of it is a JumpReLU of one threshold.
"""

from __future__ import annotations

import torch


def relu(h: torch.Tensor) -> torch.Tensor:
    """max(h, 0): the standard dictionary."""
    return torch.relu(h)


def jump_relu(h: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """relu(h)·1[h > threshold], strict: Rajamanoharan et al. 2024 (arXiv 2407.14435), eq. 2.

    With a threshold of at least 0, the only one admitted, this is also h·1[h > threshold].
    """
    return torch.relu(h) * (h > threshold)


def gated(gate: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    """1[gate > 0]·relu(magnitude): Rajamanoharan et al. 2024 (arXiv 2404.16014), eq. 5 to 7."""
    return (gate > 0) * torch.relu(magnitude)


def top_k_signed(h: torch.Tensor, k: int) -> torch.Tensor:
    """The k largest of each token as they are, negative ones too, and zeros."""
    largest = torch.topk(h, k, dim=-1)
    return torch.zeros_like(h).scatter(-1, largest.indices, largest.values)


def top_k(h: torch.Tensor, k: int) -> torch.Tensor:
    """The k largest of each token, those above 0: Gao et al. 2024 (arXiv 2406.04093), eq. 3."""
    return torch.relu(top_k_signed(h, k))


def group_max(h: torch.Tensor, groups: int) -> torch.Tensor:
    """The largest of each of `groups` runs of neighbours, if above 0, and zeros (sparsify)."""
    parts = torch.relu(h).reshape(*h.shape[:-1], groups, -1)
    largest = parts.max(dim=-1, keepdim=True)
    return torch.zeros_like(parts).scatter(-1, largest.indices, largest.values).flatten(-2)
