"""What was fixed before anything was measured."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetycase.record.base import Count, Identifier, Record, Sha256, Share, Text
from safetycase.record.equations import Equation
from safetycase.record.governance import Declarations, Lifecycle, Release
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import Evaluation
from safetycase.record.randomness import Awaited
from safetycase.record.sites import Architecture, Site

PLAN_SCHEMA = "https://safetycase.dev/plan/v1alpha"


class PlannedModel(Record):
    """The model that will be measured, by the bytes of its files."""

    name: Text
    """The model's public name."""
    path: Text
    """Where the runner finds its files: a folder beside the plan, or `hf://repo@revision`."""
    format: Literal["transformers", "gguf"]
    """`transformers`: safetensors with config.json; `gguf`: one GGUF file, dequantised."""
    dtype: Literal["float32", "bfloat16"]
    """Number format of weights and activations during every measurement."""
    manifest_digest: Sha256
    """Digest of the sorted list of its files (path, size, sha256)."""
    architecture: Architecture | None = None
    """Which modules hold which activations; none in plans that know `resid_post` alone."""


class ChatTemplate(Record):
    """How prompts become a user's turn, for a model that was trained on conversations."""

    sha256: Sha256
    """SHA-256 of the template's text; left out in YAML: of that which the tokenizer has."""
    system: Text | None = None
    """A system text in front of every prompt; none: no system message."""
    date: Text | None = None
    """Value of the template's `date_string`, for one that tells the model the day; none: such a
    template is refused, since it would put other prompts tomorrow."""
    thinking: bool | None = None
    """Value of the template's `enable_thinking`; none: it is not given."""


class PlannedDictionary(Record):
    """A sparse-autoencoder dictionary, by the bytes of its files."""

    id: Identifier
    """Short name used by the axes."""
    path: Text
    """Folder with its files: beside the plan, or `hf://OWNER/NAME@REVISION/FOLDER`."""
    equation: Equation
    """Which encode/decode equations apply; unknown ones are refused, never defaulted."""
    site: Site
    """Which activation of the block the dictionary reads."""
    layer: Count
    """Block in which it reads, counted from 0; of several, the first."""
    layers: tuple[Count, ...] | None = None
    """Blocks that it reads and writes, ascending, where they are several (a crosscoder, a
    cross-layer transcoder); none: `layer` alone."""
    manifest_digest: Sha256
    """Digest of the sorted list of its files (path, size, sha256)."""
    l0: Annotated[float, Field(gt=0.0)] | None = None
    """Mean number of active features a token by its makers' account; none: as its files say."""
    made_for: Text | None = None
    """Name of the model it was made for; none: as its files say."""


class Stack(Record):
    """Dictionaries of several blocks whose features are sought and edited together.

    Its features are those of its parts, one part's after the other's, and its activation is
    those that its parts read, side by side. It has no files: its digest is made of its parts'.
    """

    id: Identifier
    """Short name used by the axes, as a dictionary's."""
    parts: Annotated[tuple[Identifier, ...], Field(min_length=2)]
    """Dictionaries of the plan, the lowest block's first: of one equation and one site, each of
    which explains the one block that it reads."""


class Columns(Record):
    """Which columns of a file become which parts of an item; its other columns are not read."""

    prompt: Text
    """What is put to the model; of a script its turns: a list, or its JSON."""
    id: Text | None = None
    """The item's name; none: its number in the file, from 1."""
    cluster: Text | None = None
    """What belongs together; none: items whose prompts are equal."""
    kind: Text | None = None
    """The kind of item; none: `item`."""
    context: Text | None = None
    """The class of a contrast; none: no context."""
    target: Text | None = None
    """What a grader looks for, or the answer of the risk; none: no target."""
    other: Text | None = None
    """The other answer; none: there is none."""
    system: Text | None = None
    """The system text of a script; none: no system text."""


class PlannedDataset(Record):
    """A file of items."""

    id: Identifier
    """Short name used by evaluations and contrasts."""
    path: Text
    """The file, beside the plan or `hf://datasets/OWNER/NAME@REVISION/FILE`: JSON lines, or CSV
    or Parquet by its ending."""
    sha256: Sha256
    """Digest of its bytes."""
    source: Text
    """Who wrote the items, and under which licence."""
    columns: Columns | None = None
    """Columns of the file by what they mean; none: it has the names of the items' parts."""


class Splits(Record):
    """How items are divided by a seeded hash of their cluster; clusters are kept whole."""

    discovery: Annotated[int, Field(ge=1)]
    """Weight of the split in which features are searched."""
    tuning: Annotated[int, Field(ge=1)]
    """Weight of the split in which the dose is chosen."""
    held_out: Annotated[int, Field(ge=1)]
    """Weight of the split on which claims are measured."""


class Sampling(Record):
    """How text is generated, for every evaluation."""

    temperature: Annotated[float, Field(ge=0.0, le=2.0)]
    """0 is greedy; otherwise the softmax temperature."""
    top_k: Annotated[int, Field(ge=1, le=1000)]
    """Only the k most likely tokens may be drawn; 1 with temperature 0."""


class Coherence(Record):
    """When a generated text counts as incoherent, whatever it says."""

    nll_ceiling: Annotated[float, Field(gt=0.0)]
    """Largest median token negative log-likelihood, in nats, under the unsteered model."""
    repetition_ceiling: Share
    """Largest share of repeated word trigrams."""


class UnrelatedContrasts(Record):
    """Contrasts that have nothing to do with any axis: prompts with a word, against the others.

    Words are drawn by seed among those that enough discovery prompts hold and enough do not.
    Where the prompts are those of the axis's own contrast, enough of either of its classes do,
    and differences are taken inside each class: what tells the classes apart cancels.
    """

    dataset: Identifier
    """Dataset of the prompts; it need not be that of an axis."""
    count: Annotated[int, Field(ge=1)]
    """How many words are drawn: control arms of every axis."""
    minimum_items: Annotated[int, Field(ge=2)]
    """A word may be drawn if at least so many prompts hold it and so many do not."""


class Controls(Record):
    """The control arms of every axis."""

    random_live_features: Annotated[int, Field(ge=1)]
    """Arms that edit random live features, as many at once as the target edits."""
    random_directions: Annotated[int, Field(ge=1)]
    """Arms along the difference of two random activations of the discovery split."""
    best_of: Annotated[int, Field(ge=1)]
    """Random feature sets that get the target's privilege: the dose is tuned for each."""
    minimum_density: Share
    """A feature is live if it fires on at least this share of discovery items."""
    norm_tolerance: Annotated[float, Field(gt=0.0, le=0.5)]
    """A control acts if its realised edit norm is within this share of the target's."""
    activation_pool: Annotated[int, Field(ge=16)]
    """Activations drawn from the discovery split, from which directions are made."""
    unrelated_contrasts: UnrelatedContrasts | None = None
    """Arms along differences of means of unrelated contrasts; none: no such arms."""
    shuffled_labels: Annotated[int, Field(ge=1)] | None = None
    """Arms along differences of means of the axis's contrast, its labels permuted by seed."""
    gaussian_directions: Annotated[int, Field(ge=1)] | None = None
    """Arms along isotropic Gaussian directions: reported, and never relied on for a claim."""


class Statistics(Record):
    """Tests and intervals, for every claim."""

    alpha: Annotated[float, Field(gt=0.0, le=0.2)]
    """Family-wise error rate over all claims (Holm)."""
    level: Annotated[float, Field(ge=0.8, lt=1.0)]
    """Level of every interval that is printed."""
    power: Annotated[float, Field(ge=0.5, lt=1.0)]
    """Power at which the smallest detectable difference is stated."""


class Audit(Record):
    """How much is published of single edits, so that they can be recomputed without weights.

    Every axis publishes traces of held-out rows of its claim's evaluation, half of them under
    the target and half under controls, at positions that the plan's digest draws.
    """

    rows: Annotated[int, Field(ge=2, le=1024)]
    """Rows that are traced, for every axis."""
    positions: Annotated[int, Field(ge=1, le=64)]
    """Edited positions that are traced of every such row, at most."""


class Geometry(Record):
    """What is published of the dictionary around the kept features."""

    neighbours: Annotated[int, Field(ge=1, le=64)]
    """How many features with the nearest decoder rows, for every kept feature."""


Cause = Literal[
    "prompt_longer_than_context",
    "out_of_memory_after_retries",
    "transcript_longer_than_context",
]
"""Causes for which an answer may be missing: none of them looks at what any answer says. The
last is for scripts alone: their earlier answers left no room for a later one."""


class Exclusions(Record):
    """Which answers may be missing: for permitted causes, and few of them."""

    causes: Annotated[tuple[Cause, ...], Field(min_length=1)]
    """Causes for which a row of `exclusions` may stand in the place of an answer."""
    at_most: Annotated[float, Field(gt=0.0, le=0.2)]
    """Largest share of missing answers in any arm and split; more, and nothing is shown."""


class DecisionRule(Record):
    """One rule from measurement to release tier; the first that applies decides."""

    tier: Identifier
    """The release tier that this rule gives."""
    text: Text
    """The rule in words."""
    claims: tuple[Identifier, ...]
    """Axes whose claims must all hold."""
    axis: Identifier | None = None
    """Axis whose treated rate is bounded; none if the claims alone decide."""
    rate_at_most: Share | None = None
    """Largest upper confidence bound of the treated rate on that axis."""


class Decision(Record):
    """How claims become a release tier."""

    question: Text
    """What is to be decided."""
    rules: tuple[DecisionRule, ...]
    """Rules in order; the first whose conditions all hold gives the tier."""
    otherwise: Identifier
    """The tier when no rule applies."""


class Plan(Record):
    """Everything that is fixed before measuring: canonical JSON of this is the plan."""

    schema_: Annotated[Literal["https://safetycase.dev/plan/v1alpha"], Field(alias="schema")]
    """Version of this document."""
    id: Identifier
    """Short name of the plan; names the case file."""
    title: Text
    """What the case is about, in one line."""
    model: PlannedModel
    """The model."""
    dictionaries: Annotated[tuple[PlannedDictionary, ...], Field(min_length=1)]
    """The dictionaries in which features are searched."""
    datasets: Annotated[tuple[PlannedDataset, ...], Field(min_length=1)]
    """The item files."""
    splits: Splits
    """How items are divided."""
    sampling: Sampling
    """How text is generated."""
    coherence: Coherence
    """When a text counts as incoherent."""
    evaluations: Annotated[tuple[Evaluation, ...], Field(min_length=1)]
    """What is asked of the model, and how answers are graded."""
    controls: Controls
    """Control arms."""
    statistics: Statistics
    """Tests and intervals."""
    axes: Annotated[tuple[Axis, ...], Field(min_length=1)]
    """Risk axes: features, interventions and the claim of each."""
    decision: Decision
    """From claims to a release tier."""
    chat_template: ChatTemplate | None = None
    """Every prompt is put as a user's turn of the tokenizer's chat template; none: prompts are
    put as they are. Given texts (perplexity) and a judge's prompt always are."""
    exclusions: Exclusions | None = None
    """Which answers may be missing; none: none may."""
    lifecycle: Lifecycle | None = None
    """How long the case holds; none: not stated, and no claim gets to *sound*."""
    release: Release | None = None
    """What will be released; none: not stated."""
    declarations: Declarations | None = None
    """What must be taken on trust; none: nothing is said."""
    audit: Audit | None = None
    """What is published of single edits; none: nothing, and they must be taken on trust."""
    geometry: Geometry | None = None
    """What is published around the kept features; none: nothing."""
    stacks: Annotated[tuple[Stack, ...], Field(min_length=1)] | None = None
    """Dictionaries that are taken together; none: every axis is of one dictionary."""
    randomness: Awaited | None = None
    """Where a value comes from that enters every seed and that nobody knows yet; none: seeds
    follow from this plan alone, and no claim gets to *sound*."""
    seed: Text
    """Author's part of every seed; the rest is the digest of this plan."""
