"""What makes features of pre-activations: one function for each way, all per token.

h is [..., width], float32; results have its shape.
"""

from __future__ import annotations

import torch


def jump_relu(h: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """relu(h)·1[h > threshold], strict: Rajamanoharan et al. 2024 (arXiv 2407.14435), eq. 2."""
    return torch.relu(h) * (h > threshold)
