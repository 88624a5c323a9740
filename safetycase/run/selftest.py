"""The instruments are tested on this model before anything is measured with them.

What is asked, and which answer is right, is said by `methods.instruments`; here the answers are
measured. A wrong one stops the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from safetycase.errors import RunFailed
from safetycase.methods.instruments import MODEL, InstrumentTest, required_tests
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

_TEST_DOSE = 0.1
_Hook = Callable[[nn.Module, object, object], object]


@dataclass(frozen=True)
class Subject:
    """A dictionary with prompts of a discovery split, on which it is tested."""

    model: LoadedModel
    dictionary: Dictionary
    prompts: Sequence[Prompt]

    @property
    def few(self) -> Sequence[Prompt]:
        """Prompts for the tests that compare logits."""
        return self.prompts[:MODEL_PROMPTS]


@dataclass(frozen=True)
class Fit:
    """How a dictionary describes some residuals: mean active features, unexplained variance."""

    l0: float
    fvu: float


def self_tests(
    subjects: Mapping[str, Subject], *, dtype: str, batch_rows: int
) -> tuple[SelfTest, ...]:
    """All tests, passed; the first that fails is raised as RunFailed.

    The model is tested with the first of the dictionaries.
    """
    declared = {name: s.dictionary.config.declared_l0 for name, s in subjects.items()}
    first = next(iter(subjects.values()))
    fits = {
        name: dictionary_fit(
            s.model, s.dictionary, s.prompts[:DICTIONARY_PROMPTS], batch_rows=batch_rows
        )
        for name, s in subjects.items()
    }
    answers: dict[str, Callable[[str], float]] = {
        "hook_identity": lambda _: _hook_identity(first),
        "zero_dose_identity": lambda _: _zero_dose_identity(first),
        "batch_parity": lambda _: _batch_parity(first),
        "error_term_identity": lambda name: _error_term_identity(subjects[name]),
        "dictionary_l0": lambda name: fits[name].l0,
        "dictionary_fvu": lambda name: fits[name].fvu,
    }
    return tuple(
        _require(test, six_digits(answers[test.id](test.subject)))
        for test in required_tests(dtype, declared)
    )


def _require(test: InstrumentTest, value: float) -> SelfTest:
    if not test.keeps(value):
        low = "" if test.at_least is None else f"at least {test.at_least:g} "
        high = "" if test.at_most is None else f"at most {test.at_most:g}"
        subject = "the model" if test.subject == MODEL else f"dictionary {test.subject}"
        raise RunFailed(
            f"self test {test.id} of {subject}",
            f"{low}{high}".strip(),
            found=f"{value:g}",
            remedy=f"Nothing was measured. The test asks: {test.question}",
        )
    return SelfTest.model_validate(
        {
            "id": test.id,
            "subject": test.subject,
            "question": test.question,
            "value": value,
            "at_least": test.at_least,
            "at_most": test.at_most,
        }
    )


def _logits(subject: Subject, prompts: Sequence[Prompt], arm: ArmEdit) -> torch.Tensor:
    """Logits [prompts, 2, vocabulary] after each prompt and after its likeliest next token."""
    dictionary = subject.dictionary
    run = ArmRun(subject.model, prompts, [arm], {dictionary.id: dictionary})
    with run.editing():
        first = run.prefill(use_cache=True)
        return torch.stack([first, run.step(first.argmax(-1), _everyone(run))], 1)


def _everyone(run: ArmRun) -> torch.Tensor:
    return torch.ones(run.rows, dtype=torch.bool, device=run.device)


def _hooked_logits(subject: Subject, blocks: Sequence[nn.Module], hook: _Hook) -> torch.Tensor:
    """Logits of the plain model while these blocks carry a hook."""
    with ExitStack() as stack:
        for block in blocks:
            stack.callback(block.register_forward_hook(hook).remove)
        return _logits(subject, subject.few, BASELINE_EDIT)


def _absolute(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


def _relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def _hook_identity(subject: Subject) -> float:
    def rewrite(_module: nn.Module, _inputs: object, output: object) -> object:
        return with_residual(output, residual_of(output, "block").clone())

    plain = _logits(subject, subject.few, BASELINE_EDIT)
    return _absolute(_hooked_logits(subject, subject.model.blocks, rewrite), plain)


def _zero_dose_identity(subject: Subject) -> float:
    nothing = np.zeros(subject.model.width, dtype=np.float32)
    zero = ArmEdit("zero", subject.dictionary.config.layer, nothing, None)
    plain = _logits(subject, subject.few, BASELINE_EDIT)
    return _absolute(_logits(subject, subject.few, zero), plain)


def _batch_parity(subject: Subject) -> float:
    """Every row of a padded batch of several arms against the same prompt and arm alone."""
    model, dictionary, prompts = subject.model, subject.dictionary, subject.few
    layer = dictionary.config.layer
    norms = [r.norm(dim=-1).mean() for _, r in residuals(model, prompts, layer, batch_rows=1)]
    length = _TEST_DOSE * float(torch.stack(norms).mean())
    vector = (length * dictionary.decoder_rows([0])[0]).astype(np.float32)
    arms = [
        BASELINE_EDIT,
        ArmEdit("dose", layer, vector, None),
        ArmEdit("replaced", layer, None, dictionary.id),
    ]
    alone = torch.cat([_logits(subject, [prompt], arm) for prompt in prompts for arm in arms])
    run = ArmRun(model, prompts, arms, {dictionary.id: dictionary})
    with run.editing():
        first = run.prefill(use_cache=True)
        later = run.step(alone[:, 0].argmax(-1), _everyone(run))
    return _relative(torch.stack([first, later], 1), alone)


def _error_term_identity(subject: Subject) -> float:
    dictionary = subject.dictionary

    def splice(_module: nn.Module, _inputs: object, output: object) -> object:
        h = residual_of(output, "block")
        explained = dictionary.reconstruct(h)
        return with_residual(output, (explained + (h.float() - explained)).to(h.dtype))

    plain = _logits(subject, subject.few, BASELINE_EDIT)
    block = subject.model.block(dictionary.config.layer)
    return _relative(_hooked_logits(subject, [block], splice), plain)


def dictionary_fit(
    model: LoadedModel, dictionary: Dictionary, prompts: Sequence[Prompt], *, batch_rows: int
) -> Fit:
    """L0 and FVU over all tokens but BOS; FVU pools numerator and denominator over tokens.

    FVU = Σ‖x - x̂‖² / Σ‖x - mean x‖², in float64; L0 = mean number of features above zero.
    """
    tokens = active = 0
    error = 0.0
    kept: list[torch.Tensor] = []
    for _, x in residuals(model, prompts, dictionary.config.layer, batch_rows=batch_rows):
        f = dictionary.encode(x)
        tokens += x.shape[0]
        active += int((f > 0).sum())
        error += float((x - dictionary.decode(f)).double().square().sum())
        kept.append(x.double().cpu())
    everything = torch.cat(kept)
    spread = float((everything - everything.mean(0)).square().sum())
    if not spread:
        raise RunFailed(f"dictionary {dictionary.id}", "residuals that vary", found="none do")
    return Fit(active / tokens, error / spread)
