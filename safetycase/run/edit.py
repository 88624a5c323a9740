"""What the arms of a plan do to a model's activations; `row_edits` does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from safetycase.methods.arm_edits import state_edits
from safetycase.methods.arms import ArmSpec
from safetycase.methods.grid import candidates
from safetycase.methods.operations import StateEdit
from safetycase.methods.sites import Place, Where, places_of
from safetycase.record.planned_axis import Axis, ErrorPolicy, Positions
from safetycase.run.model import LoadedModel
from safetycase.run.sites import stream_places
from safetycase.tables.evidence import Evidence


@dataclass(frozen=True)
class Preface:
    """What an arm says to the model before an item, beside or in place of what the plan says.

    `prefix` stands in front of the user's (first) turn. `system` is a system message: it takes
    the plan's place, and stands in front of one that the item has of its own. Empty: neither.
    """

    prefix: str = ""
    system: str = ""


NOTHING_SAID = Preface()


@dataclass(frozen=True)
class ArmEdit:
    """What an arm does to the activation at a place, or at several blocks' side by side.

    No place: nothing at all (the baseline, and a prompt, which has a `preface`). A vector
    [width]: it is added. A `state`: what is added depends on the activation. Neither, or with
    an error policy: the activation is replaced by what the dictionary makes of the one that it
    reads, and whatever is added is added to that.
    """

    arm: str
    place: Where | None
    vector: np.ndarray | None
    dictionary: str | None
    preface: Preface = NOTHING_SAID
    state: StateEdit | None = None
    positions: Positions = "all_but_bos"
    error_policy: ErrorPolicy | None = None
    everywhere: bool = False
    """Whether the residual stream is edited at every layer; counted is the place alone."""

    @property
    def replaces(self) -> bool:
        """Whether what the dictionary does not explain of the activation is dropped."""
        adds_nothing = self.vector is None and self.state is None
        return adds_nothing or self.error_policy is not None

    @property
    def does_nothing(self) -> bool:
        """Whether the model is left as it is, and put nothing more to."""
        return self.place is None and self.preface == NOTHING_SAID

    def places(self, model: LoadedModel) -> list[Place]:
        """Where something is done."""
        if self.place is None:
            return []
        return [*places_of(self.place), *(stream_places(model) if self.everywhere else ())]

    def is_at(self, place: Place, model: LoadedModel) -> bool:
        """Whether something is done there."""
        return place in self.places(model)

    def is_counted_at(self, place: Place) -> bool:
        """Whether it counts: what is done at every layer is not the place's own."""
        return self.place is not None and place in places_of(self.place)


def edits_of(
    axis: Axis,
    specs: Sequence[ArmSpec],
    directions: np.ndarray,
    evidence: Evidence,
    *,
    place: Where,
) -> dict[str, ArmEdit]:
    """What planned arms do at a place, by arm, along their unit directions [arms, d_model].

    Needs the decoder rows of their features in the evidence.
    """
    states = state_edits(axis, specs, directions, evidence)
    return {
        spec.id: replace(
            _edit_of(spec, direction, state, place=place, dictionary=axis.dictionary),
            positions=candidates(axis)[spec.candidate or 0].positions,
            error_policy=spec.error_policy,
        )
        for spec, direction, state in zip(specs, directions, states, strict=True)
    }


def _edit_of(
    spec: ArmSpec,
    direction: np.ndarray,
    state: StateEdit | None,
    *,
    place: Where,
    dictionary: str,
) -> ArmEdit:
    if spec.is_said:
        preface = Preface(spec.prefix or "", spec.system or "")
        return ArmEdit(spec.id, None, None, None, preface)
    if state is not None:
        everywhere = spec.layers == "all"
        return ArmEdit(spec.id, place, None, dictionary, state=state, everywhere=everywhere)
    vector = (np.float32(spec.coefficient) * direction).astype(np.float32)
    is_replaced = spec.role == "reconstruction"
    return ArmEdit(spec.id, place, None if is_replaced else vector, dictionary)


BASELINE_EDIT = ArmEdit("baseline", None, None, None)
