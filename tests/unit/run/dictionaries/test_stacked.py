"""Dictionaries of several blocks, taken as one, compute what each of them computes alone.

What is expected is computed by the independent code of each family, block by block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from safetycase.errors import RunFailed
from safetycase.methods.encode import recomputed, slice_names
from safetycase.methods.operations import state_edit
from safetycase.methods.sites import Place, Span
from safetycase.record.planned_axis import Operation
from safetycase.run.arm_run import ArmRun
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.dictionaries.layered import load
from safetycase.run.dictionaries.stacked import StackedDictionary
from safetycase.run.edit import ArmEdit
from safetycase.run.prompts import encode as prompt_of
from tests.unit.run.dictionaries import made
from tests.unit.run.dictionaries.made import DEPTH, Made
from tests.unit.run.dictionaries.reference import reference_of
from tests.unit.run.dictionaries.test_layers import TEXT, Filled, assert_close, beside, inputs
from tests.unit.run.tiny_world import Tiny, load_dictionary

LAYERS = (0, 2)
WIDTHS = (38, 57)
"""Both are so many nineteens: the groups of the group maximum."""

MAKERS: dict[str, tuple[str, Callable[[Path, int], Made]]] = {
    "gs2": ("jumprelu.gs2", lambda p, n: made.gs2(p, site="resid_post", skip=None, seed=n)),
    "gs2 of mlps": (
        "jumprelu.gs2",
        lambda p, n: made.gs2(p, site="mlp_out", skip=None, seed=n),
    ),
    "gs1 of heads": ("jumprelu.gs1", lambda p, n: made.gs1(p, site="attn_heads", seed=n)),
    "standard": ("standard.saelens", lambda p, n: made.saelens(p, "standard", seed=n)),
    "layer norm": (
        "standard.saelens",
        lambda p, n: made.saelens(p, "standard", normalize_activations="layer_norm", seed=n),
    ),
    "constant norm": (
        "standard.saelens",
        lambda p, n: made.saelens(
            p,
            "standard",
            site="attn_heads",
            reshape_activations="hook_z",
            normalize_activations="constant_norm_rescale",
            seed=n,
        ),
    ),
    "gated": ("gated.saelens", lambda p, n: made.saelens(p, "gated", seed=n)),
    "topk by what is added": (
        "topk.saelens",
        lambda p, n: made.saelens(p, "topk", rescale_acts_by_decoder_norm=True, seed=n),
    ),
    "batchtopk": ("batchtopk.saelens", lambda p, n: made.saelens(p, "batchtopk", seed=n)),
    "group maximum": (
        "groupmax.sparsify",
        lambda p, n: made.sparsify(
            p, transcode=False, skip=False, activation="groupmax", seed=n
        ),
    ),
    "signed topk": ("topk.qwenscope", lambda p, n: made.qwen_scope(p, seed=n)),
}
NAMES = sorted(MAKERS)
COMPARING = {"topk by what is added", "group maximum", "signed topk"}
NORMED = {"layer norm", "constant norm"}


class Stacked:
    """A stack of two dictionaries of different widths, and what the reference makes of each."""

    def __init__(self, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        equation, maker = MAKERS[name]
        self.reference = reference_of(equation)
        self.written, self.parts = [], []
        for number, (layer, width) in enumerate(zip(LAYERS, WIDTHS, strict=True)):
            monkeypatch.setattr(made, "WIDTH", width)
            own = folder / str(layer)
            own.mkdir()
            written = maker(own, 40 + number)
            loaded = load_dictionary(own, **written.stated)
            there = replace(loaded.specification, reads=Place(layer, loaded.reads.site))
            self.written.append(written)
            self.parts.append(load(f"part {layer}", there, torch.device("cpu")))
        self.dictionary = StackedDictionary("stack", self.parts)

    def encode(self, part: int, x: np.ndarray) -> np.ndarray:
        written = self.written[part]
        return self.reference.encode(written.arrays, written.config, x)

    def decode(self, part: int, f: np.ndarray, x: np.ndarray) -> np.ndarray:
        written = self.written[part]
        return self.reference.decode(written.arrays, written.config, f, x)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stacked(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stacked:
    return Stacked(name, tmp_path, monkeypatch)


CHOSEN = [sum(WIDTHS) - 1, 3, 0, WIDTHS[0] - 1, WIDTHS[0], WIDTHS[0] + 5]
"""Of both parts, their first and last ones among them, in no order."""


def own_of(feature: int) -> tuple[int, int]:
    """The part of a feature, and its number there."""
    return (0, feature) if feature < WIDTHS[0] else (1, feature - WIDTHS[0])


def test_encode_and_decode(stacked: Stacked) -> None:
    dictionary, x = stacked.dictionary, inputs(2)
    f = [stacked.encode(part, x[part]) for part in range(2)]
    expected = np.concatenate(f, 1)
    found = dictionary.encode(beside(x)).numpy()
    np.testing.assert_array_equal(found != 0, expected != 0)
    assert_close(found, expected)
    assert_close(dictionary.encode_chosen(beside(x), CHOSEN).numpy(), expected[:, CHOSEN])
    assert dictionary.encode_chosen(beside(x), []).shape == (len(x[0]), 0)
    made_of_x = np.concatenate([stacked.decode(part, f[part], x[part]) for part in range(2)], 1)
    assert_close(dictionary.decode(beside(f), beside(x)).numpy(), made_of_x)
    assert_close(dictionary.reconstruct(beside(x)).numpy(), made_of_x)
    assert dictionary.preactivations(beside(x)).shape == expected.shape


def test_where_it_reads_and_writes(name: str, stacked: Stacked) -> None:
    dictionary = stacked.dictionary
    site = stacked.written[0].site
    assert dictionary.reads == dictionary.writes == Span(LAYERS, site)
    assert (dictionary.width, dictionary.widths) == (sum(WIDTHS), WIDTHS)
    assert dictionary.model_width == 2 * DEPTH
    assert dictionary.declared_l0 == sum(part.declared_l0 for part in stacked.parts)
    assert dictionary.scales_by_token == (name in NORMED)
    assert dictionary.known_at(Place(0, site), CHOSEN) == [1, 2, 3]
    assert dictionary.known_at(Place(2, site), CHOSEN) == [0, 4, 5]


def test_rows_and_slices_are_the_parts_in_their_blocks(stacked: Stacked) -> None:
    rows = stacked.dictionary.decoder_rows(CHOSEN)
    slices = stacked.dictionary.slices(CHOSEN)
    for place, feature in enumerate(CHOSEN):
        part, own = own_of(feature)
        inside = slice(part * DEPTH, (part + 1) * DEPTH)
        alone = stacked.parts[part]
        for wide, narrow in (
            (rows[place], alone.decoder_rows([own])[0]),
            (slices["w_enc"][place], alone.slices([own])["w_enc"][0]),
        ):
            np.testing.assert_array_equal(wide[inside], narrow)
            assert np.count_nonzero(wide) == np.count_nonzero(narrow)
    assert stacked.dictionary.slices([])["w_enc"].shape == (0, 2 * DEPTH)


def test_slices_give_the_activations(name: str, stacked: Stacked) -> None:
    """By the verifier's own formula, from the blocks side by side and nothing else."""
    dictionary, x = stacked.dictionary, inputs(2)
    f = np.concatenate([stacked.encode(part, x[part]) for part in range(2)], 1)
    expected = f[:, CHOSEN]
    parts = dictionary.slices(CHOSEN)
    wanted = {part: dtype for part, dtype, _ in slice_names(dictionary.equation)}
    assert {part: parts[part].dtype.str for part in wanted} == wanted
    read = beside(x).numpy()
    again = recomputed(dictionary.equation, parts.__getitem__, read, blocks=2)
    assert (again.gaps(expected) <= 1e-5 * np.abs(expected).max()).all()
    if name not in COMPARING:
        np.testing.assert_array_equal(again.exact != 0, expected != 0)
    if name in NORMED:
        as_one = recomputed(dictionary.equation, parts.__getitem__, read)
        assert (as_one.gaps(expected) > 0.01).any()


def test_splice(stacked: Stacked, tiny: Tiny) -> None:
    """The model with both dictionaries in it, against one that plain hooks fill."""
    dictionary = stacked.dictionary
    prompt = prompt_of(tiny.model, TEXT, where="t")

    def change(t: int, given: list[np.ndarray], _y: np.ndarray) -> np.ndarray:
        return stacked.decode(t, stacked.encode(t, given[t]), given[t])

    expected = Filled(tiny, dictionary).logits(prompt.ids, change)
    arm = ArmEdit("replaced", dictionary.writes, None, dictionary.id)
    run = ArmRun(tiny.model, [prompt], [arm], {dictionary.id: dictionary})
    with run.editing():
        found = run.prefill(use_cache=False)[0].numpy()
    assert_close(found, expected)
    plain = tiny.model.network(input_ids=torch.tensor([prompt.ids])).logits[0, -1].numpy()
    assert np.abs(found - plain).max() > 1e-2 * np.abs(plain).max()
    [realised] = run.realised()
    assert realised.edits == len(prompt) - 1


@pytest.mark.parametrize(
    ("operation", "coefficient", "only_active"),
    [("ablate", -1.0, False), ("scale", 2.0, False), ("clamp", 1.5, True)],
)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in NORMED])
def test_each_feature_is_edited_in_its_own_block(
    operation: Operation,
    coefficient: float,
    only_active: bool,
    stacked: Stacked,
    tiny: Tiny,
) -> None:
    """On what the edit of the lower block has left, beside another arm, twice."""
    dictionary, features = stacked.dictionary, sorted(CHOSEN)
    rows = dictionary.decoder_rows(features)
    edit = state_edit(
        operation,
        features,
        rows,
        coefficient=coefficient,
        units=[2.0] * len(features),
        only_active=only_active,
    )
    prompt = prompt_of(tiny.model, TEXT, where="t")
    deltas: dict[int, np.ndarray] = {}

    def change(t: int, given: list[np.ndarray], y: np.ndarray) -> np.ndarray:
        f, added = stacked.encode(t, given[t]), np.zeros(y.shape)
        for row, feature in zip(rows, features, strict=True):
            part, own = own_of(feature)
            if part == t:
                a = f[:, own : own + 1]
                amount = {
                    "ablate": -a,
                    "scale": coefficient * a,
                    "clamp": (coefficient * 2.0 - a) * (a != 0),
                }[operation]
                added += amount * row[t * DEPTH : (t + 1) * DEPTH]
        deltas[t] = added
        return y + added

    expected = Filled(tiny, dictionary).logits(prompt.ids, change)
    arm = ArmEdit("edited", dictionary.writes, None, dictionary.id, state=edit)
    alone = ArmEdit("baseline", None, None, None)
    run = ArmRun(tiny.model, [prompt, prompt], [alone, arm], {dictionary.id: dictionary})
    with run.editing():
        found = run.prefill(use_cache=True).numpy()
        run.step(torch.from_numpy(found).argmax(-1), torch.ones(run.rows, dtype=torch.bool))
    assert_close(found[1], expected)
    assert_close(found[3], expected)
    first = ArmRun(tiny.model, [prompt], [arm], {dictionary.id: dictionary})
    with first.editing():
        first.prefill(use_cache=False)
    [realised] = first.realised()
    together = np.sqrt(sum((part[1:] ** 2).sum(1) for part in deltas.values()))
    assert realised.edits == len(prompt) - 1
    assert realised.delta == pytest.approx(together.mean(), rel=1e-3)


def test_only_the_chosen_features_own_block_is_read(stacked: Stacked) -> None:
    """At a place the features of other blocks are not encoded: they add nothing there."""

    class Watched(Dictionary):
        asked = 0

        def encode_chosen(self, x: torch.Tensor, features: list[int]) -> torch.Tensor:
            type(self).asked += 1
            return super().encode_chosen(x, features)

    late = stacked.parts[1]
    watched = Watched(late.id, late.specification, late.device)
    dictionary = StackedDictionary("stack", [stacked.parts[0], watched])
    place = Place(LAYERS[0], stacked.written[0].site)
    early = [CHOSEN[n] for n in dictionary.known_at(place, CHOSEN)]
    dictionary.chosen_at({place: torch.from_numpy(inputs(1)[0])}, early)
    assert Watched.asked == 0
    dictionary.encode_chosen(beside(inputs(2)), CHOSEN)
    assert Watched.asked == 1


def test_parts_that_normalise_otherwise_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = []
    for number, name in enumerate(("standard", "layer norm")):
        (tmp_path / name).mkdir()
        parts.append(Stacked(name, tmp_path / name, monkeypatch).parts[number])
    with pytest.raises(RunFailed) as caught:
        StackedDictionary("stack", parts)
    assert caught.value.where == "stack stack"
    assert caught.value.found == "none, layer_norm"
