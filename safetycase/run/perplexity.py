"""How likely the model finds given texts under every arm: mean -log p over their tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from safetycase.errors import RunFailed
from safetycase.run.arm_run import ArmRun
from safetycase.run.below import BlocksBelow
from safetycase.run.device import wide
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import ArmEdit
from safetycase.run.likelihood import LOGITS_AT_ONCE
from safetycase.run.model import LoadedModel
from safetycase.run.prompts import Prompt
from safetycase.run.realised import Realised

_NEAR = 2e-2
"""How far logits of the last token may lie apart, as a share and in nats, computed twice."""


@dataclass(frozen=True)
class ScoredText:
    """A text as tokens, and how many characters in front of it are not its own."""

    prompt: Prompt
    skip: int = 0

    @property
    def scored(self) -> list[int]:
        """Numbers of the tokens that are scored: those that reach behind what is skipped."""
        offsets = self.prompt.offsets
        return [n for n in range(1, len(offsets)) if offsets[n][1] > self.skip]


@dataclass(frozen=True)
class TextLikelihood:
    """Tokens scored, their mean -log p in nats, and what the hook did."""

    tokens: int
    nll: float
    realised: Realised


def likelihoods(
    model: LoadedModel,
    texts: Sequence[ScoredText],
    arms: Sequence[ArmEdit],
    dictionaries: Mapping[str, Dictionary],
    below: BlocksBelow | None = None,
) -> list[list[TextLikelihood]]:
    """Likelihoods by text and arm; each token is given all before it, BOS first.

    `below` is what several batches of the same texts share.
    """
    run = ArmRun(model, [text.prompt for text in texts], arms, dictionaries)
    caught: list[torch.Tensor] = []
    hook = model.network.base_model.register_forward_hook(
        lambda _module, _given, output: caught.append(output.last_hidden_state)
    )
    try:
        with run.editing():
            last = run.prefill(use_cache=False, below=below)
    finally:
        hook.remove()
    hidden = run.spread(caught[0].to(run.device))
    _require_head(model, hidden[:, -1], last)
    realised = run.realised()
    results = []
    for number, text in enumerate(texts):
        rows = slice(number * len(arms), (number + 1) * len(arms))
        results.append(
            [
                TextLikelihood(len(text.scored), mean, done)
                for mean, done in zip(
                    _means(model, hidden[rows], text), realised[rows], strict=True
                )
            ]
        )
    return results


def _means(model: LoadedModel, hidden: torch.Tensor, text: ScoredText) -> list[float]:
    """Mean -log p of a text's scored tokens, for each row [arms, positions, width] of it."""
    padding = hidden.shape[1] - len(text.prompt)
    wanted = torch.tensor([text.prompt.ids[n] for n in text.scored], device=hidden.device)
    before = torch.tensor([padding + n - 1 for n in text.scored], device=hidden.device)
    size = max(1, LOGITS_AT_ONCE // model.vocabulary)
    means = []
    for row in hidden:
        total = 0.0
        parts = zip(torch.split(before, size), torch.split(wanted, size), strict=True)
        for places, tokens in parts:
            log_p = torch.log_softmax(_logits(model, row[places]), -1)
            total -= float(wide(log_p.gather(-1, tokens[:, None])).sum())
        means.append(max(0.0, total / len(text.scored)))
    return means


def _logits(model: LoadedModel, hidden: torch.Tensor) -> torch.Tensor:
    """Logits float32 of hidden states behind the last norm, as the network makes them."""
    head = model.network.get_output_embeddings()  # type: ignore[no-untyped-call]
    logits = head(hidden)
    cap = getattr(model.network.config.get_text_config(), "final_logit_softcapping", None)
    if cap is not None:
        logits = cap * torch.tanh(logits / cap)
    return torch.as_tensor(logits).float().to(hidden.device)


def _require_head(model: LoadedModel, hidden: torch.Tensor, logits: torch.Tensor) -> None:
    """Return only if the logits made here are the network's own, at the last token."""
    if not torch.allclose(_logits(model, hidden), logits, rtol=_NEAR, atol=_NEAR):
        raise RunFailed(
            "perplexity",
            "a network whose logits follow from its last hidden state",
            found="others",
            remedy="Leave evaluations of kind perplexity out for this model.",
        )
