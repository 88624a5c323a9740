"""The instruments are tested on this model before anything is measured with them.

What is asked, and which answer is right, is said by `methods.instruments`; here the answers are
measured. A wrong one stops the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from safetycase.errors import RunFailed
from safetycase.methods.controls import direction
from safetycase.methods.instruments import FIT_PROMPTS, MODEL, InstrumentTest, required_tests
from safetycase.methods.sites import Place, places_of
from safetycase.record.case import SelfTest
from safetycase.run.answers import six_digits
from safetycase.run.arm_run import ArmRun
from safetycase.run.device import wide
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.model import LoadedModel
from safetycase.run.observe import activations
from safetycase.run.prompts import Prompt
from safetycase.run.shrink import ONE_BY_ONE, Batches, refused_if_too_large
from safetycase.run.sites import Change, on_read, on_write
from safetycase.tables.rows import DictionaryTextRow, ItemRow

MODEL_PROMPTS = 8
DICTIONARY_PROMPTS = FIT_PROMPTS

_TEST_DOSE = 0.1


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
    texts: tuple[TextFit, ...]
    """The same prompt by prompt, in the order given."""


@dataclass(frozen=True)
class TextFit:
    """What one prompt adds to a fit: tokens, active features, squared error and spread."""

    tokens: int
    active: int
    error: float
    spread: float


def self_tests(
    subjects: Mapping[str, Subject],
    *,
    dtype: str,
    batches: Batches,
    fits: dict[str, Fit] | None = None,
) -> tuple[SelfTest, ...]:
    """All tests, passed; the first that fails is raised as RunFailed.

    The model is tested with the first of the dictionaries. `fits` is filled with the fit of
    each, the only thing read in `batches`: the other tests are of batches of their own shape.
    """
    return tuple(
        _require(test, value)
        for test, value in answered(subjects, dtype=dtype, batches=batches, fits=fits)
    )


def answered(
    subjects: Mapping[str, Subject],
    *,
    dtype: str,
    batches: Batches,
    fits: dict[str, Fit] | None = None,
    fit_prompts: int | None = DICTIONARY_PROMPTS,
) -> Iterator[tuple[InstrumentTest, float]]:
    """Every test with what was measured, one after the other, whether it passes or not.

    The fit is that of so many prompts at most, of all where `fit_prompts` is None.
    """
    declared = {name: s.dictionary.declared_l0 for name, s in subjects.items()}
    first = next(iter(subjects.values()))
    found: dict[str, Fit] = {} if fits is None else fits

    def fit(name: str) -> Fit:
        if name not in found:
            s = subjects[name]
            prompts = s.prompts[:fit_prompts]
            found[name] = dictionary_fit(s.model, s.dictionary, prompts, batches=batches)
        return found[name]

    answers: dict[str, Callable[[str], float]] = {
        "hook_identity": lambda _: _hook_identity(first),
        "zero_dose_identity": lambda _: _zero_dose_identity(first),
        "batch_parity": lambda _: _batch_parity(first),
        "error_term_identity": lambda name: _error_term_identity(subjects[name]),
        "dictionary_l0": lambda name: fit(name).l0,
        "dictionary_fvu": lambda name: fit(name).fvu,
    }
    for test in required_tests(dtype, declared):
        with refused_if_too_large(
            f"self test {test.id}", "memory for the batches that it needs"
        ):
            value = answers[test.id](test.subject)
        yield test, six_digits(value)


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


@contextmanager
def _changed(model: LoadedModel, places: Iterable[Place], change: Change) -> Iterator[None]:
    """Inside, the activations at these places are what `change` makes of them."""
    with ExitStack() as stack:
        for place in places:
            for hook in on_write(model, place, change):
                stack.callback(hook.remove)
        yield


def _absolute(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


def _relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def _hook_identity(subject: Subject) -> float:
    """Every block's output and, where the dictionary writes elsewhere, that too."""
    model = subject.model
    places = {Place(layer, "resid_post") for layer in range(len(model.blocks))}
    plain = _logits(subject, subject.few, BASELINE_EDIT)
    with _changed(model, places | set(places_of(subject.dictionary.writes)), torch.clone):
        return _absolute(_logits(subject, subject.few, BASELINE_EDIT), plain)


def _zero_dose_identity(subject: Subject) -> float:
    place = subject.dictionary.writes
    nothing = np.zeros(subject.model.shape.width_at(place), dtype=np.float32)
    plain = _logits(subject, subject.few, BASELINE_EDIT)
    zero = ArmEdit("zero", place, nothing, None)
    return _absolute(_logits(subject, subject.few, zero), plain)


def _batch_parity(subject: Subject) -> float:
    """Every row of a padded batch of several arms against the same prompt and arm alone."""
    model, dictionary, prompts = subject.model, subject.dictionary, subject.few
    place = dictionary.writes

    def keep(_: int, y: torch.Tensor) -> torch.Tensor:
        mean: torch.Tensor = y.norm(dim=-1).mean()
        return mean

    norms = [n for _, n in activations(model, prompts, place, keep=keep, batches=ONE_BY_ONE)]
    length = _TEST_DOSE * float(torch.stack(norms).mean())
    vector = (length * direction(dictionary.decoder_rows([0]))).astype(np.float32)
    arms = [
        BASELINE_EDIT,
        ArmEdit("dose", place, vector, None),
        ArmEdit("replaced", place, None, dictionary.id),
    ]
    alone = torch.cat([_logits(subject, [prompt], arm) for prompt in prompts for arm in arms])
    longest = max(prompts, key=len)
    return max(
        _relative(_together(subject, _lengthened(longest, more), arms, alone), alone)
        for more in lengths_more(model.device.type)
        if not more or len(longest) + more < model.context
    )


def lengths_more(device: str) -> range:
    """By how many tokens a batch is made longer than its prompts, one after the other.

    Kernels of GPUs go by the remainder of a length by 32, and one is reported to be wrong at a
    single one (https://github.com/pytorch/pytorch/issues/191937): there, all are tried.
    """
    return range(1 if device == "cpu" else 32)


def _lengthened(prompt: Prompt, more: int) -> list[Prompt]:
    """A prompt that makes a batch so many tokens longer; none, if it is to be as it is."""
    if not more:
        return []
    ids = prompt.ids + prompt.ids[-1:] * more
    return [Prompt(ids, prompt.offsets + ((0, 0),) * more)]


def _together(
    subject: Subject, beside: Sequence[Prompt], arms: Sequence[ArmEdit], alone: torch.Tensor
) -> torch.Tensor:
    """Logits [rows, 2, vocabulary] in one batch, after each prompt and after its next token.

    Next comes the likeliest token of the prompt `alone`. Prompts `beside` are not looked at.
    """
    dictionary, rows = subject.dictionary, len(alone)
    run = ArmRun(subject.model, [*subject.few, *beside], arms, {dictionary.id: dictionary})
    with run.editing():
        first = run.prefill(use_cache=True)
        tokens = first.argmax(-1)
        tokens[:rows] = alone[:, 0].argmax(-1)
        later = run.step(tokens, _everyone(run))
    return torch.stack([first[:rows], later[:rows]], 1)


def _error_term_identity(subject: Subject) -> float:
    model, dictionary = subject.model, subject.dictionary
    plain = _logits(subject, subject.few, BASELINE_EDIT)
    read: dict[Place, torch.Tensor] = {}

    def splice(place: Place, y: torch.Tensor) -> torch.Tensor:
        read[place] = y
        reads = [each for each in places_of(dictionary.reads) if each.order <= place.order]
        known = {each: read[each].to(dictionary.device) for each in reads}
        made = dictionary.made_of(known, []).to(y.device)
        return (made + (y.float() - made)).to(y.dtype)

    with ExitStack() as stack:
        for place in places_of(dictionary.reads):
            keep = partial(read.__setitem__, place)
            stack.callback(on_read(model, place, keep).remove)
        for place in places_of(dictionary.writes):
            stack.enter_context(_changed(model, [place], partial(splice, place)))
        return _relative(_logits(subject, subject.few, BASELINE_EDIT), plain)


def dictionary_fit(
    model: LoadedModel, dictionary: Dictionary, prompts: Sequence[Prompt], *, batches: Batches
) -> Fit:
    """L0 and FVU over all tokens but BOS; FVU pools numerator and denominator over tokens.

    FVU = Σ‖y - ŷ‖² / Σ‖y - mean y‖² of the activations where it writes, in float64; L0 = mean
    number of features above zero.
    """

    def keep(_: int, x: torch.Tensor, y: torch.Tensor) -> tuple[int, float, torch.Tensor]:
        f = dictionary.encode(x)
        missed = float(wide(y - dictionary.decode(f, x)).square().sum())
        return int((f > 0).sum()), missed, y.cpu()

    places = dictionary.reads, dictionary.writes
    found = activations(model, prompts, *places, keep=keep, batches=batches)
    parts = [part for _, part in sorted(found, key=lambda each: each[0])]
    tokens = sum(len(y) for _, _, y in parts)
    mean = torch.stack([wide(y).sum(0) for _, _, y in parts]).sum(0) / tokens
    texts = tuple(
        TextFit(len(y), fires, missed, float((wide(y) - mean).square().sum()))
        for fires, missed, y in parts
    )
    spread = sum(text.spread for text in texts)
    if not spread:
        raise RunFailed(f"dictionary {dictionary.id}", "activations that vary", found="none do")
    active, error = sum(text.active for text in texts), sum(text.error for text in texts)
    return Fit(active / tokens, error / spread, texts)


def text_rows(name: str, items: Sequence[ItemRow], fit: Fit) -> list[DictionaryTextRow]:
    """A dictionary's fit as it is published, prompt by prompt."""
    return [
        DictionaryTextRow(
            name, item.item, t.tokens, t.active, six_digits(t.error), six_digits(t.spread)
        )
        for item, t in zip(items, fit.texts, strict=True)
    ]
