"""The columns of every kind of evidence table, one sentence a column.

A table is text: its first line is a JSON array of the column names, every other line one
flat JSON array in that order. Arrays leave no duplicate keys to argue about.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Row = msgspec.Struct

MOST = 2**31 - 1
"""Counts in answers fit into 32 bits."""


class ItemRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An item of a dataset, and the split its cluster fell into."""

    dataset: Annotated[str, Meta(description="The dataset, as in the plan.")]
    item: Annotated[str, Meta(description="Name of the item, unique in its dataset.")]
    cluster: Annotated[str, Meta(description="Items of one cluster share a split.")]
    kind: Annotated[str, Meta(description="Kind of request, as the dataset says.")]
    context: Annotated[str | None, Meta(description="Class of the context, if it has one.")]
    split: Annotated[str, Meta(description="discovery, tuning or held_out.")]
    target: Annotated[
        str | None, Meta(description="Right answer, key word, or the matching choice.")
    ]
    other: Annotated[str | None, Meta(description="The other choice of a two-choice item.")]
    prompt: Annotated[
        str,
        Meta(
            description="Text put to the model, without BOS; of a script the JSON object of "
            "its `turns` and, if it has one, its `system` text."
        ),
    ]


class GenerationRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A generated answer, or the answers to all turns of a script."""

    evaluation: Annotated[str, Meta(description="The evaluation, as in the plan.")]
    arm: Annotated[str, Meta(description="The arm under which the item was answered.")]
    item: Annotated[str, Meta(description="The item.")]
    sample: Annotated[int, Meta(description="Number of the sample, from 0.", ge=0, le=MOST)]
    output: Annotated[
        str,
        Meta(
            description="The generated text without the token that ended it; other special "
            "tokens are written out. Of a script the JSON array of its answers."
        ),
    ]
    tokens: Annotated[
        int,
        Meta(
            description="Tokens generated, in all turns, stop tokens included.", ge=0, le=MOST
        ),
    ]
    stop: Annotated[
        str,
        Meta(
            description="`eos`, or `length` if the limit cut the text; of a script one word "
            "for each answer, with its tokens: `eos:12 length:64`."
        ),
    ]
    nll: Annotated[
        float,
        Meta(
            description="Median over generated tokens of -log p under the unsteered model, "
            "given prompt and preceding output; nats. Of a script its answers' largest.",
            ge=0.0,
        ),
    ]
    edits: Annotated[
        int, Meta(description="Positions at which the hook edited.", ge=0, le=MOST)
    ]
    delta: Annotated[float, Meta(description="Mean L2 norm of the edit over them.", ge=0.0)]
    residual: Annotated[
        float, Meta(description="Mean L2 norm of the activation before the edit.", ge=0.0)
    ]
    outcome: Annotated[str, Meta(description="The grade.")]


class ChoiceRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A two-choice question in both letter orders."""

    evaluation: Annotated[str, Meta(description="The evaluation, as in the plan.")]
    arm: Annotated[str, Meta(description="The arm under which the item was answered.")]
    item: Annotated[str, Meta(description="The item.")]
    forward_matching: Annotated[
        float,
        Meta(description="log p of the matching answer's letter, matching first.", le=0.0),
    ]
    forward_other: Annotated[
        float, Meta(description="log p of the other answer's letter, matching first.", le=0.0)
    ]
    swapped_matching: Annotated[
        float, Meta(description="log p of the matching answer's letter, other first.", le=0.0)
    ]
    swapped_other: Annotated[
        float, Meta(description="log p of the other answer's letter, other first.", le=0.0)
    ]
    edits: Annotated[
        int, Meta(description="Positions at which the hook edited.", ge=0, le=MOST)
    ]
    delta: Annotated[float, Meta(description="Mean L2 norm of the edit over them.", ge=0.0)]
    residual: Annotated[
        float, Meta(description="Mean L2 norm of the activation before the edit.", ge=0.0)
    ]
    outcome: Annotated[str, Meta(description="`matching`, `other` or `tie`.")]


class ProbeRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A linear probe read at the last token of a prompt."""

    evaluation: Annotated[str, Meta(description="The evaluation, as in the plan.")]
    arm: Annotated[str, Meta(description="The arm under which the prompt was read.")]
    item: Annotated[str, Meta(description="The item.")]
    score: Annotated[float, Meta(description="Projection on the probe's unit direction.")]
    edits: Annotated[
        int, Meta(description="Positions at which the hook edited.", ge=0, le=MOST)
    ]
    delta: Annotated[float, Meta(description="Mean L2 norm of the edit over them.", ge=0.0)]
    residual: Annotated[
        float, Meta(description="Mean L2 norm of the activation before the edit.", ge=0.0)
    ]
    outcome: Annotated[str, Meta(description="`above` or `below` the probe's threshold.")]


class LikelihoodRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A given text, scored by the model under an arm."""

    evaluation: Annotated[str, Meta(description="The evaluation, as in the plan.")]
    arm: Annotated[str, Meta(description="The arm under which the text was scored.")]
    item: Annotated[str, Meta(description="The item.")]
    tokens: Annotated[int, Meta(description="Tokens scored.", ge=1, le=MOST)]
    nll: Annotated[
        float, Meta(description="Mean over them of -log p under the arm; nats.", ge=0.0)
    ]
    edits: Annotated[
        int, Meta(description="Positions at which the hook edited.", ge=0, le=MOST)
    ]
    delta: Annotated[float, Meta(description="Mean L2 norm of the edit over them.", ge=0.0)]
    residual: Annotated[
        float, Meta(description="Mean L2 norm of the activation before the edit.", ge=0.0)
    ]
    outcome: Annotated[str, Meta(description="`above` or `below` the planned ceiling.")]


class LabelWordRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A word of the discovery prompts on which a kept feature fires, most first."""

    axis: Annotated[str, Meta(description="The axis.")]
    feature: Annotated[int, Meta(description="Index of the feature.", ge=0)]
    word: Annotated[str, Meta(description="The word, folded.")]
    count: Annotated[int, Meta(description="How often it occurs in discovery prompts.", ge=1)]
    activation: Annotated[
        float, Meta(description="Mean over its occurrences of the largest activation.", ge=0.0)
    ]


class LabelCheckRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A kept feature on a held-out prompt: as a whole (position -1), or on one word of it."""

    axis: Annotated[str, Meta(description="The axis.")]
    feature: Annotated[int, Meta(description="Index of the feature.", ge=0)]
    item: Annotated[str, Meta(description="The item of the contrast.")]
    position: Annotated[int, Meta(description="Number of the word, or -1 for all.", ge=-1)]
    activation: Annotated[float, Meta(description="Largest activation there.", ge=0.0)]
    predicted: Annotated[bool, Meta(description="Whether the label says that it fires.")]


class DictionaryTextRow(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True
):
    """How a dictionary describes the activations of one prompt, BOS left out."""

    dictionary: Annotated[str, Meta(description="The dictionary, as in the plan.")]
    item: Annotated[str, Meta(description="The prompt's item.")]
    tokens: Annotated[int, Meta(description="Tokens read.", ge=1, le=MOST)]
    active: Annotated[
        int, Meta(description="Active features, summed over its tokens.", ge=0, le=2**53)
    ]
    error: Annotated[
        float, Meta(description="Squared norm of what is unexplained, summed.", ge=0.0)
    ]
    spread: Annotated[
        float,
        Meta(
            description="Squared distance from the mean over all tested tokens, summed.", ge=0.0
        ),
    ]


class TraceRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A position of a held-out row whose activations before and after the edit are there.

    The n-th row of an axis belongs to the n-th row of its tensors in
    `evidence/traces.safetensors`.
    """

    axis: Annotated[str, Meta(description="The axis.")]
    evaluation: Annotated[str, Meta(description="The evaluation, that of the axis's claim.")]
    arm: Annotated[str, Meta(description="The arm: the target or a control.")]
    item: Annotated[str, Meta(description="The item.")]
    sample: Annotated[int, Meta(description="Number of the sample, from 0.", ge=0, le=MOST)]
    position: Annotated[
        int,
        Meta(
            description="Number of the edited position, from 0: prompt tokens without BOS, "
            "then generated ones, of all turns; of a two-choice question, both letter orders "
            "in turn.",
            ge=0,
            le=MOST,
        ),
    ]
    token: Annotated[str, Meta(description="`prompt` or `generated`.")]


class HumanLabelRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What somebody says of an answer, without knowing the arm that gave it."""

    evaluation: Annotated[str, Meta(description="The evaluation, as in the plan.")]
    arm: Annotated[str, Meta(description="The arm under which the item was answered.")]
    item: Annotated[str, Meta(description="The item.")]
    sample: Annotated[int, Meta(description="Number of the sample, from 0.", ge=0, le=MOST)]
    rater: Annotated[str, Meta(description="Who labelled it, by any name of their own.")]
    outcome: Annotated[str, Meta(description="The outcome that the answer should have.")]


class ExclusionRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A planned answer that could not be had, for a cause that no answer has a part in."""

    evaluation: Annotated[str, Meta(description="The evaluation, as in the plan.")]
    arm: Annotated[str, Meta(description="The arm under which there is no answer.")]
    item: Annotated[str, Meta(description="The item.")]
    sample: Annotated[int, Meta(description="Number of the sample, from 0.", ge=0, le=MOST)]
    cause: Annotated[str, Meta(description="Why, by the plan's list of permitted causes.")]


class JudgementRow(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a judge says of an answer, or of a gold row (arm `gold`)."""

    evaluation: Annotated[str, Meta(description="The evaluation, as in the plan.")]
    arm: Annotated[
        str, Meta(description="The arm that gave the answer; the judge is not told.")
    ]
    item: Annotated[str, Meta(description="The item.")]
    sample: Annotated[int, Meta(description="Number of the sample, from 0.", ge=0, le=MOST)]
    prompt: Annotated[str, Meta(description="SHA-256 of the text put to the judge.")]
    raw: Annotated[str, Meta(description="What the judge said.")]
    verdict: Annotated[str, Meta(description="The outcome that the rules read in it.")]


TABLES: dict[str, type[msgspec.Struct]] = {
    "items": ItemRow,
    "generations": GenerationRow,
    "choices": ChoiceRow,
    "probes": ProbeRow,
    "likelihoods": LikelihoodRow,
    "label_words": LabelWordRow,
    "label_checks": LabelCheckRow,
    "traces": TraceRow,
    "human_labels": HumanLabelRow,
    "exclusions": ExclusionRow,
    "dictionary_texts": DictionaryTextRow,
    "judgements": JudgementRow,
}
"""Every kind of table; `evidence/<kind>.jsonl` holds it."""

AnswerKind = Literal["generations", "choices", "probes", "likelihoods"]
ANSWER_KINDS: tuple[AnswerKind, ...] = ("generations", "choices", "probes", "likelihoods")
"""Tables whose rows answer an item under an arm."""

AnswerRow = GenerationRow | ChoiceRow | ProbeRow | LikelihoodRow
"""A row that answers an item under an arm."""


def sample_of(row: AnswerRow) -> int:
    """Which sample of its item an answer is; tables without that column hold one each."""
    return row.sample if isinstance(row, GenerationRow) else 0


def path_of(kind: str) -> str:
    """Name in the case of the table of this kind."""
    return f"evidence/{kind}.jsonl"


def columns(kind: str) -> tuple[str, ...]:
    """Column names of this kind of table, in order."""
    return TABLES[kind].__struct_fields__
