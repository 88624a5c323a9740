"""What a case says beyond its figures: how long it holds, what is released, who vouches.

Nothing here can be derived from rows. Some of it is compared (with the time, with a policy,
with what was measured); the rest is declared, and every verdict says so.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetycase.record.base import Identifier, Record, Sha256, Text, Utc


class Lifecycle(Record):
    """How long a case of this plan may be relied on, and what ends it sooner."""

    valid_until: Utc
    """From this moment on the case is out of date, whatever has happened."""
    voids_when: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Events after which the case no longer holds, each in words."""
    supersedes: Sha256 | None = None
    """Id of the case that this one takes the place of; none if it is the first."""


class Override(Record):
    """A release tier that somebody sets in the place of the one that the rules give."""

    by: Identifier
    """Who sets it: the name of a signer."""
    tier: Identifier
    """The tier that is set, one of the plan's."""
    direction: Literal["stricter", "looser"]
    """Which way it lies from the derived tier; a plan's tiers stand loosest first."""
    reason: Text
    """Why, in words."""


class Configuration(Record):
    """A model as somebody meets it: files, tokenizer, template, system prompt."""

    model: Sha256
    """Manifest digest of the model's files."""
    tokenizer: Sha256 | None = None
    """Manifest digest of the tokenizer's files alone; none if the weights' file holds it."""
    chat_template: Sha256 | None = None
    """SHA-256 of the chat template's text; none if prompts are passed on as they are."""
    system_prompt: Sha256 | None = None
    """SHA-256 of the system prompt's text; none if there is none."""


class ReleasedSafeguard(Record):
    """A measured intervention as the product will carry it."""

    axis: Identifier
    """Axis on which it is measured."""
    mode: Literal["active", "monitor", "fallback"]
    """`active`: edits every answer, as measured; `monitor`: only watches; `fallback`: acts on
    some requests."""


class Release(Record):
    """What will be released, to be compared with what is measured."""

    configuration: Configuration
    """The released model; `model` and `tokenizer` left out in YAML: the measured ones."""
    safeguards: tuple[ReleasedSafeguard, ...]
    """Interventions that the product will carry."""
    callers_write_system: Literal[True] | None = None
    """Whether callers may write the system message, in the place of the release's own; none:
    they may not, and items with a system text of their own are not asked as the release is."""


class Contamination(Record):
    """Whether the model may have seen the items in training; declared, not verified."""

    training_overlap: Literal["none_found", "partial", "full", "not_examined"]
    """What a search of the training data for these items found."""
    canary: Text | None = None
    """A string that marks the items, so that training data can be searched for them."""
    reason: Text
    """How it was examined, or why not."""
    by: Text
    """Who says so."""


class Elicitation(Record):
    """How hard the behaviour was looked for; declared, not verified."""

    effort: Literal["best_effort", "standard", "minimal"]
    """Whether prompts, sampling and scaffolds were chosen to bring the behaviour out."""
    helpful_only: Literal["measured", "not_measured", "does_not_exist"]
    """Whether a variant trained without refusals was measured too."""
    reason: Text
    """What was tried, or why no more."""
    by: Text
    """Who says so."""


class Independence(Record):
    """Who assessed, on whose terms; declared, not verified."""

    assessor: Literal["developer", "contracted", "independent", "regulator"]
    """Who planned and ran the measurements."""
    access: Literal["weights", "internals", "outputs"]
    """What the assessor could reach: weights, activations through an interface, or answers."""
    payment: Literal["none", "developer", "third_party"]
    """Who paid the assessor for this work."""
    publication: Literal["free", "reviewed", "approved"]
    """Whether the developer may read first (`reviewed`), or must agree (`approved`)."""
    dissent: Literal["published", "summarised", "withheld", "not_sought"]
    """What becomes of disagreement among those who worked on the case."""
    reason: Text
    """Terms that a reader should know."""
    by: Text
    """Who says so."""


class Declarations(Record):
    """What must be taken on trust; none means that nothing is said of it."""

    contamination: Contamination | None = None
    """Items in training data."""
    elicitation: Elicitation | None = None
    """How hard the behaviour was looked for."""
    independence: Independence | None = None
    """Who assessed, on whose terms."""
