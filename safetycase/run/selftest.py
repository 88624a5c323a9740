"""The instruments are tested on this model before anything is measured with them.

Each test asks one question whose right answer is known; a wrong one stops the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from safetycase.errors import RunFailed
from safetycase.record.case import SelfTest
from safetycase.run.arm_run import ArmRun
from safetycase.run.dictionaries.gemma_scope import Dictionary
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.measure import six_digits
from safetycase.run.model import LoadedModel, residual_of, with_residual
from safetycase.run.observe import residuals
from safetycase.run.prompts import Prompt

MODEL_PROMPTS = 8
DICTIONARY_PROMPTS = 64
L0_FACTOR = 3.0
FVU_CEILING = 0.5
PARITY_CEILING = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
"""Largest accepted change of a logit, as a share of the largest logit."""

_TEST_DOSE = 0.1


@dataclass(frozen=True)
class Fit:
    """How a dictionary describes some residuals: mean active features, unexplained variance."""

    l0: float
    fvu: float


def self_tests(
    model: LoadedModel,
    dictionaries: dict[str, tuple[Dictionary, Sequence[Prompt]]],
    *,
    batch_rows: int,
) -> tuple[SelfTest, ...]:
    """All tests, passed; the first that fails is raised as RunFailed.

    `dictionaries` gives each dictionary with prompts of its discovery split.
    """
    tests: list[SelfTest] = []
    for number, (dictionary, prompts) in enumerate(dictionaries.values()):
        few = list(prompts)[:MODEL_PROMPTS]
        if not number:
            tests += [
                _require(_hook_identity(model, dictionary, few)),
                _require(_zero_dose_identity(model, dictionary, few)),
                _require(_batch_parity(model, dictionary, few)),
            ]
        tests.append(_require(_error_term_identity(model, dictionary, few)))
        fit = dictionary_fit(
            model, dictionary, list(prompts)[:DICTIONARY_PROMPTS], batch_rows=batch_rows
        )
        tests += [_require(_l0(dictionary, fit)), _require(_fvu(dictionary, fit))]
    return tuple(tests)


def _require(test: SelfTest) -> SelfTest:
    too_small = test.at_least is not None and not test.value >= test.at_least
    too_large = test.at_most is not None and not test.value <= test.at_most
    if too_small or too_large:
        low = "" if test.at_least is None else f"at least {test.at_least:g} "
        high = "" if test.at_most is None else f"at most {test.at_most:g}"
        raise RunFailed(
            f"self test {test.id} of {test.subject}",
            f"{low}{high}".strip(),
            found=f"{test.value:g}",
            remedy=f"Nothing was measured. The test asked: {test.question}",
        )
    return test


def _last_logits(
    model: LoadedModel, prompts: Sequence[Prompt], arm: ArmEdit, dictionary: Dictionary
) -> torch.Tensor:
    """Logits [prompts, 2, vocabulary]: after each prompt, and after its likeliest next token."""
    run = ArmRun(model, prompts, [arm], {dictionary.id: dictionary})
    with run.editing():
        first = run.prefill(use_cache=True)
        everyone = torch.ones(run.rows, dtype=torch.bool, device=model.device)
        return torch.stack([first, run.step(first.argmax(-1), everyone)], 1)


def _hook_identity(
    model: LoadedModel, dictionary: Dictionary, prompts: Sequence[Prompt]
) -> SelfTest:
    plain = _last_logits(model, prompts, BASELINE_EDIT, dictionary)

    def rewrite(_module: nn.Module, _inputs: object, output: object) -> object:
        return with_residual(output, residual_of(output, "block").clone())

    with ExitStack() as stack:
        for block in model.blocks:
            stack.callback(block.register_forward_hook(rewrite).remove)
        hooked = _last_logits(model, prompts, BASELINE_EDIT, dictionary)
    return SelfTest(
        id="hook_identity",
        subject="model",
        question="Does writing every block's own output back leave every logit as it is?",
        value=float((plain - hooked).abs().max()),
        at_least=None,
        at_most=0.0,
    )


def _zero_dose_identity(
    model: LoadedModel, dictionary: Dictionary, prompts: Sequence[Prompt]
) -> SelfTest:
    nothing = np.zeros(model.width, dtype=np.float32)
    zero = ArmEdit("zero", dictionary.config.layer, nothing, None)
    plain = _last_logits(model, prompts, BASELINE_EDIT, dictionary)
    edited = _last_logits(model, prompts, zero, dictionary)
    return SelfTest(
        id="zero_dose_identity",
        subject="model",
        question="Does an edit of dose zero leave every logit as it is?",
        value=float((plain - edited).abs().max()),
        at_least=None,
        at_most=0.0,
    )


def _relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return six_digits(float((a - b).abs().max() / b.abs().max()))


def _batch_parity(
    model: LoadedModel, dictionary: Dictionary, prompts: Sequence[Prompt]
) -> SelfTest:
    """Every row of a padded batch of items × arms against the same pair alone."""
    layer = dictionary.config.layer
    norms = [r.norm(dim=-1).mean() for _, r in residuals(model, prompts, layer, batch_rows=1)]
    length = _TEST_DOSE * float(torch.stack(norms).mean())
    vector = length * dictionary.decoder_rows([0])[0]
    arms = [
        BASELINE_EDIT,
        ArmEdit("dose", layer, vector.astype(np.float32), None),
        ArmEdit("replaced", layer, None, dictionary.id),
    ]
    run = ArmRun(model, prompts, arms, {dictionary.id: dictionary})
    with run.editing():
        first = run.prefill(use_cache=True)
        alone = torch.cat(
            [_last_logits_alone(model, p, arm, dictionary) for p in prompts for arm in arms]
        )
        everyone = torch.ones(run.rows, dtype=torch.bool, device=model.device)
        together = torch.stack([first, run.step(alone[:, 0].argmax(-1), everyone)], 1)
    return SelfTest(
        id="batch_parity",
        subject="model",
        question="Do rows of a padded batch of several arms get the logits they get alone?",
        value=_relative(together, alone),
        at_least=None,
        at_most=PARITY_CEILING[model.network.dtype],
    )


def _last_logits_alone(
    model: LoadedModel, prompt: Prompt, arm: ArmEdit, dictionary: Dictionary
) -> torch.Tensor:
    return _last_logits(model, [prompt], arm, dictionary)


def _error_term_identity(
    model: LoadedModel, dictionary: Dictionary, prompts: Sequence[Prompt]
) -> SelfTest:
    plain = _last_logits(model, prompts, BASELINE_EDIT, dictionary)

    def splice(_module: nn.Module, _inputs: object, output: object) -> object:
        h = residual_of(output, "block")
        explained = dictionary.reconstruct(h)
        return with_residual(output, (explained + (h.float() - explained)).to(h.dtype))

    hook = model.block(dictionary.config.layer).register_forward_hook(splice)
    try:
        spliced = _last_logits(model, prompts, BASELINE_EDIT, dictionary)
    finally:
        hook.remove()
    return SelfTest(
        id="error_term_identity",
        subject=dictionary.id,
        question="Do reconstruction and its error together leave the logits as they are?",
        value=_relative(spliced, plain),
        at_least=None,
        at_most=PARITY_CEILING[model.network.dtype],
    )


def dictionary_fit(
    model: LoadedModel, dictionary: Dictionary, prompts: Sequence[Prompt], *, batch_rows: int
) -> Fit:
    """L0 and FVU over all tokens but BOS; FVU pools numerator and denominator over tokens."""
    tokens = active = 0
    error = 0.0
    kept: list[torch.Tensor] = []
    for _, x in residuals(model, prompts, dictionary.config.layer, batch_rows=batch_rows):
        f = dictionary.encode(x)
        tokens += x.shape[0]
        active += int((f > 0).sum())
        error += float((x - dictionary.decode(f)).double().square().sum())
        kept.append(x.double())
    everything = torch.cat(kept)
    spread = float((everything - everything.mean(0)).square().sum())
    return Fit(active / tokens, error / spread)


def _l0(dictionary: Dictionary, fit: Fit) -> SelfTest:
    declared = dictionary.config.declared_l0
    return SelfTest(
        id="dictionary_l0",
        subject=dictionary.id,
        question="Is the mean number of active features a token within a factor of three of "
        "what the dictionary declares?",
        value=six_digits(fit.l0),
        at_least=six_digits(declared / L0_FACTOR),
        at_most=six_digits(declared * L0_FACTOR),
    )


def _fvu(dictionary: Dictionary, fit: Fit) -> SelfTest:
    return SelfTest(
        id="dictionary_fvu",
        subject=dictionary.id,
        question="Does the dictionary explain at least half of the variance of the residuals?",
        value=six_digits(fit.fvu),
        at_least=None,
        at_most=FVU_CEILING,
    )
