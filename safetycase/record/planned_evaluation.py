"""An evaluation as planned: items, how they are put to the model, how answers are graded."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetycase.record.base import Identifier, Record, Sha256, Text

Outcome = Identifier
"""The name a grader gives to an answer: `unsafe`, `refusal`, `correct`, …"""

INCOHERENT = "incoherent"
"""Outcome of every text that is empty or above a ceiling, before any rule is tried."""


class GraderRule(Record):
    """One line of a grader: the outcome of the first rule that matches is the grade."""

    outcome: Outcome
    """The grade given when this rule matches."""
    match: Literal[
        "starts_with",
        "contains_word",
        "contains_target",
        "exact",
        "includes",
        "regex",
        "numeric",
        "refusal_lexicon_v1",
    ]
    """Start of the text; any whole word or phrase; the item's own target, as whole words; the
    whole text; any stretch of it; a pattern anywhere in it; its last number; a phrase of the
    list of that name, as whole words."""
    phrases: tuple[Text, ...]
    """Phrases looked for, any of which is enough; patterns of `regex`, numbers of `numeric`.
    None for `contains_target`; of `exact`, `includes` and `numeric` none stands for the item's
    own target; those of a list are written out when the plan is frozen."""
    tolerance: Annotated[float, Field(ge=0.0)] | None = None
    """Largest difference from the number of `numeric`; none: the numbers must be equal."""


class Grader(Record):
    """A pure function from an answer to an outcome; the verifier runs it again."""

    id: Identifier
    """Short name of the grader."""
    rules: Annotated[tuple[GraderRule, ...], Field(min_length=1)]
    """Rules in order; text is folded (NFKC, straight quotes, case) before matching."""
    otherwise: Outcome
    """The grade when no rule matches."""


class GoldRow(Record):
    """A text whose outcome is known: every grader must give it."""

    text: Annotated[str, Field(max_length=8000)]
    """The text, as if the model had answered it; may be empty."""
    outcome: Outcome
    """The outcome that it must get; `incoherent` for what is empty or gibberish."""
    target: Text | None = None
    """Target of the item that it answers, if a rule asks for one."""
    request: Text | None = None
    """The request that it answers, if a judge is shown one."""
    nll: Annotated[float, Field(ge=0.0)] | None = None
    """Median token negative log-likelihood to grade it at, in nats; none: 0."""


class HumanLabels(Record):
    """People label some of the answers, so that the grader can be held to what they say."""

    path: Text
    """Where their labels stand, relative to the plan: JSON lines of `id`, `rater` and
    `outcome`; written after the answers, so that no digest is fixed."""
    per_arm: Annotated[int, Field(ge=1, le=100_000)]
    """Held-out answers of the baseline and of each target, drawn by the plan's digest."""
    raters: Annotated[int, Field(ge=1, le=100)]
    """People who label each of them."""


class Judge(Record):
    """A model that reads answers; what it says of them is graded in their place."""

    path: Text
    """Where the runner finds its files: as the path of the model."""
    format: Literal["transformers", "gguf"]
    """As the format of the model."""
    dtype: Literal["float32", "bfloat16"]
    """Number format of its weights and activations."""
    manifest_digest: Sha256
    """Digest of the sorted list of its files; not that of the model that is judged."""
    prompt: Text
    """What it is asked: `{answer}` once, `{request}` at most once, and nothing of the arm.
    Read as plain text, special tokens too."""
    max_new_tokens: Annotated[int, Field(ge=1, le=512)]
    """Tokens it may say, the likeliest one each time."""


class Turns(Record):
    """The items are scripts: what the user says is fixed, turn by turn; each is answered."""

    graded: Literal["last", "any", "every"]
    """Which answers a rule is tried on: the last; all, matching if any does, or if every does.
    A script is `incoherent` if one of its answers is, whichever are graded."""
    frame: Text | None = None
    """A turn as it is put without a chat template, with `{turn}` once; white space in front of
    the first is left out. None: `\\n\\nUser: {turn}\\n\\nAssistant:`."""


class Generate(Record):
    """Free generation, graded by rules."""

    kind: Literal["generate"]
    """Which way of measuring this is."""
    max_new_tokens: Annotated[int, Field(ge=1, le=512)]
    """Tokens generated at most, in every turn."""
    grader: Grader
    """How the text becomes an outcome."""
    gold: Annotated[tuple[GoldRow, ...], Field(min_length=1, max_length=1000)] | None = None
    """Texts that the grader must get right before anything is measured; none: not tried."""
    judge: Judge | None = None
    """Reads the answer; the rules are tried on what it says. None: on the answer."""
    labels: HumanLabels | None = None
    """Which answers people label; none: nobody is asked."""
    samples: Annotated[int, Field(ge=2, le=64)] | None = None
    """Answers drawn to every item, by seeds of item and sample alone; none: one."""
    per_item: Literal["mean", "majority"] | None = None
    """An item's score: the share of its samples that count, or whether most do; none: mean."""
    turns: Turns | None = None
    """Each item is a script of several turns; none: a prompt, answered once."""


class Choice(Record):
    """Two answers compared by log-probability, in both letter orders.

    The outcome is `matching` if the mean over both orders of log p(matching) - log p(other)
    is above zero, `other` if it is below, `tie` if it is zero.
    """

    kind: Literal["choice"]
    """Which way of measuring this is."""


class Probe(Record):
    """A linear probe on the residual stream, built from a contrast and from no feature.

    Direction: difference of the class means on the discovery split; threshold: midpoint of
    the projected class means. The outcome is `above` or `below` the threshold.
    """

    kind: Literal["probe"]
    """Which way of measuring this is."""
    contrast: Identifier
    """Dataset whose discovery split trains the probe; `context` is its label."""
    positive: Text
    """Value of `context` that counts as the positive class."""
    layer: Annotated[int, Field(ge=0)]
    """Block whose output is read, at the last token of the prompt."""


class Perplexity(Record):
    """Given texts, scored by how likely the model finds them: nothing is generated.

    The text is the item's prompt; every token of it is given those before it. The outcome is
    `above` if the mean negative log-likelihood of a token is over the ceiling, else `below`.
    """

    kind: Literal["perplexity"]
    """Which way of measuring this is."""
    nll_ceiling: Annotated[float, Field(gt=0.0)]
    """Largest mean negative log-likelihood of `below`, in nats a token: log perplexity."""


class Evaluation(Record):
    """Items of one dataset, put to the model and graded in one way."""

    id: Identifier
    """Short name used by the axes."""
    dataset: Identifier
    """Dataset the items come from; its cluster and split are those of the items."""
    title: Text
    """What is asked, in words."""
    measure: Annotated[Generate | Choice | Probe | Perplexity, Field(discriminator="kind")]
    """How an answer is had and graded."""


class Measure(Record):
    """A rate: the share of an evaluation's items whose outcome is one of these."""

    evaluation: Identifier
    """The evaluation."""
    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1)]
    """Outcomes that count."""
