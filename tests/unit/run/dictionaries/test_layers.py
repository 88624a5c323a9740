"""Dictionaries of several blocks encode, decode and splice as an independent code does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from safetycase.methods.encode import activation_of, recomputed, slice_names
from safetycase.methods.equations import has_skip, kind_of
from safetycase.methods.operations import state_edit
from safetycase.methods.sites import Place, Span, places_of
from safetycase.record.planned_axis import Operation
from safetycase.run.arm_run import ArmRun
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import ArmEdit
from safetycase.run.prompts import encode as prompt_of
from safetycase.run.sites import on_read, on_write
from safetycase.run.task import Task, read_task, write_task
from tests.unit.run.dictionaries import reference_layers as reference
from tests.unit.run.dictionaries.made import DEPTH, Made
from tests.unit.run.dictionaries.made_layers import BLOCKS, CROSSCODER_LAYERS, EACH, MAKERS
from tests.unit.run.tiny_world import Tiny, load_dictionary

NAMES = sorted(MAKERS)
RELATIVE = 1e-5
Change = Callable[[int, list[np.ndarray], np.ndarray], np.ndarray]

TEXT = "the audit comes and the panel . do i make soup ?"


def made(name: str, folder: Path) -> tuple[str, Made, Dictionary]:
    equation, maker = MAKERS[name]
    written = maker(folder)
    return equation, written, load_dictionary(folder, **written.stated)


def inputs(blocks: int, count: int = 40) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [(2 * rng.normal(size=(count, DEPTH))).astype(np.float32) for _ in range(blocks)]


def beside(parts: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(parts, 1).astype(np.float32))


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= RELATIVE * np.abs(expected).max()


def chosen_features(blocks: int) -> list[int]:
    """Of the last source, the first, and one between, in no order."""
    return [EACH * blocks - 1, 3, 0, EACH + 5]


@pytest.mark.parametrize("name", NAMES)
def test_encode_and_decode(name: str, tmp_path: Path) -> None:
    equation, written, dictionary = made(name, tmp_path)
    blocks = reference.blocks_of(equation, written.arrays)
    x = inputs(len(blocks))
    f = reference.encode(blocks, x)
    expected = np.concatenate(f, 1)
    assert 0.02 < (expected != 0).mean() < 0.98
    found = dictionary.encode(beside(x)).numpy()
    np.testing.assert_array_equal(found != 0, expected != 0)
    assert_close(found, expected)
    chosen = chosen_features(len(blocks))
    for each in (dictionary, load_dictionary(tmp_path, **written.stated)):
        assert_close(each.encode_chosen(beside(x), chosen).numpy(), expected[:, chosen])
    made_of_x = np.concatenate(reference.decode(blocks, f, x), 1)
    assert_close(dictionary.decode(beside(f), beside(x)).numpy(), made_of_x)
    assert_close(dictionary.reconstruct(beside(x)).numpy(), made_of_x)
    y = beside(inputs(len(blocks))[::-1])
    assert_close(dictionary.error(beside(x), y).numpy(), y.numpy() - made_of_x)
    assert dictionary.preactivations(beside(x)).shape == expected.shape


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_row_is_what_one_unit_adds_to_every_block(name: str, tmp_path: Path) -> None:
    equation, written, dictionary = made(name, tmp_path)
    blocks = reference.blocks_of(equation, written.arrays)
    x = inputs(len(blocks), 2)
    f = reference.encode(blocks, x)
    base = np.concatenate(reference.decode(blocks, f, x), 1)
    chosen = chosen_features(len(blocks))
    rows = dictionary.decoder_rows(chosen)
    assert rows.dtype == np.float32
    for row, feature in zip(rows, chosen, strict=True):
        source, own = divmod(feature, EACH)
        higher = [part.copy() for part in f]
        higher[source][:, own] += 1
        added = np.concatenate(reference.decode(blocks, higher, x), 1) - base
        np.testing.assert_allclose(np.tile(row, (2, 1)), added, atol=1e-5)
        assert not row[: source * DEPTH].any()
        assert row[source * DEPTH :].reshape(-1, DEPTH).any(axis=1).all()
    assert dictionary.decoder_rows([]).shape == (0, dictionary.model_width)
    assert dictionary.slices([])["w_enc"].shape == (0, dictionary.model_width)


@pytest.mark.parametrize("name", NAMES)
def test_where_it_reads_and_writes(name: str, tmp_path: Path) -> None:
    equation, written, dictionary = made(name, tmp_path)
    layers = CROSSCODER_LAYERS if kind_of(dictionary.equation) == "crosscoder" else (0, 1, 2)
    assert dictionary.equation == equation
    assert dictionary.reads == Span(layers, written.site)
    site = written.site if kind_of(dictionary.equation) == "crosscoder" else "mlp_out"
    assert dictionary.writes == Span(layers, site)
    assert (dictionary.width, dictionary.model_width) == (
        EACH * len(layers),
        DEPTH * len(layers),
    )
    assert not dictionary.scales_by_token


@pytest.mark.parametrize("name", NAMES)
def test_slices_give_the_activations(name: str, tmp_path: Path) -> None:
    """By the verifier's own formula, from the blocks side by side and nothing else."""
    equation, written, dictionary = made(name, tmp_path)
    blocks = reference.blocks_of(equation, written.arrays)
    x = inputs(len(blocks))
    chosen = chosen_features(len(blocks))
    expected = np.concatenate(reference.encode(blocks, x), 1)[:, chosen]
    parts = dictionary.slices(chosen)
    wanted = {part: dtype for part, dtype, _ in slice_names(dictionary.equation)}
    assert {part: parts[part].dtype.str for part in wanted} == wanted
    assert activation_of(dictionary.equation) == dictionary.specification.form.activation
    again = recomputed(dictionary.equation, parts.__getitem__, beside(x).numpy())
    assert (again.gaps(expected) <= 1e-5 * np.abs(expected).max()).all()
    np.testing.assert_array_equal(again.exact != 0, expected != 0)
    wrong = np.where(expected != 0, 1.1 * expected, 0.0)
    assert (again.gaps(wrong) > again.error)[expected != 0].all()


class Filled:
    """The tiny model with changes made by plain hooks, from what they were given so far."""

    def __init__(self, tiny: Tiny, dictionary: Dictionary) -> None:
        self.network, self.model = tiny.model.network, tiny.model
        self.reads = places_of(dictionary.reads)
        self.writes = places_of(dictionary.writes)
        self.read: dict[Place, np.ndarray] = {}

    def logits(self, ids: tuple[int, ...], change: Change) -> np.ndarray:
        """`change(t, x so far, y)` gives the activation of the t-th written place."""

        def fill(t: int, y: torch.Tensor) -> torch.Tensor:
            if self.reads == self.writes:
                self.read[self.writes[t]] = y[0].numpy().copy()
            given = [self.read[place] for place in self.reads[: t + 1]]
            filled = y.clone()
            filled[0, 1:] = torch.from_numpy(
                change(t, given, y[0].numpy())[1:].astype(np.float32)
            )
            return filled

        def keep(place: Place, x: torch.Tensor) -> None:
            self.read[place] = x[0].numpy().copy()

        with ExitStack() as stack:
            if self.reads != self.writes:
                for place in self.reads:
                    stack.callback(on_read(self.model, place, partial(keep, place)).remove)
            for t, place in enumerate(self.writes):
                for hook in on_write(self.model, place, partial(fill, t)):
                    stack.callback(hook.remove)
            return self.network(input_ids=torch.tensor([ids])).logits[0, -1].numpy()


@pytest.mark.parametrize("name", NAMES)
def test_splice(name: str, tiny: Tiny, tmp_path: Path) -> None:
    """The model with the dictionary in all its blocks, against one that plain hooks fill."""
    equation, written, dictionary = made(name, tmp_path)
    blocks = reference.blocks_of(equation, written.arrays)
    prompt = prompt_of(tiny.model, TEXT, where="t")

    def change(t: int, given: list[np.ndarray], _y: np.ndarray) -> np.ndarray:
        f = reference.encode(blocks, given)
        return reference.decode_block(blocks, t, f, given[t])

    expected = Filled(tiny, dictionary).logits(prompt.ids, change)
    arm = ArmEdit("replaced", dictionary.writes, None, dictionary.id)
    run = ArmRun(tiny.model, [prompt], [arm], {dictionary.id: dictionary})
    with run.editing():
        found = run.prefill(use_cache=False)[0].numpy()
    assert np.abs(found - expected).max() <= RELATIVE * np.abs(expected).max()
    plain = tiny.model.network(input_ids=torch.tensor([prompt.ids])).logits[0, -1].numpy()
    assert np.abs(found - plain).max() > 1e-2 * np.abs(plain).max()
    [realised] = run.realised()
    assert realised.edits == len(prompt) - 1


@pytest.mark.parametrize(
    ("operation", "coefficient", "only_active"),
    [("ablate", -1.0, False), ("scale", 2.0, False), ("clamp", 1.5, True)],
)
@pytest.mark.parametrize("name", NAMES)
def test_features_are_edited_in_every_block_they_write(
    name: str,
    operation: Operation,
    coefficient: float,
    only_active: bool,
    tiny: Tiny,
    tmp_path: Path,
) -> None:
    equation, written, dictionary = made(name, tmp_path)
    blocks = reference.blocks_of(equation, written.arrays)
    count = len(blocks)
    features = sorted(chosen_features(count))
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
        f = reference.encode(blocks, given)
        added = np.zeros(y.shape)
        for feature in features:
            source, own = divmod(feature, EACH)
            if source > t:
                continue
            a = f[source][:, own : own + 1]
            amount = {
                "ablate": -a,
                "scale": coefficient * a,
                "clamp": (coefficient * 2.0 - a) * (a != 0),
            }[operation]
            added += amount * blocks[source].decoders[t][own]
        deltas[t] = added
        return y + added

    expected = Filled(tiny, dictionary).logits(prompt.ids, change)
    arm = ArmEdit("edited", dictionary.writes, None, dictionary.id, state=edit)
    alone = ArmEdit("baseline", None, None, None)
    # beside another arm, twice, so that rows are spread
    run = ArmRun(tiny.model, [prompt, prompt], [alone, arm], {dictionary.id: dictionary})
    with run.editing():
        logits = run.prefill(use_cache=True)
        run.step(logits.argmax(-1), torch.ones(run.rows, dtype=torch.bool))
    found = logits.numpy()
    assert np.abs(found[1] - expected).max() <= RELATIVE * np.abs(expected).max()
    assert np.abs(found[3] - expected).max() <= RELATIVE * np.abs(expected).max()
    plain = tiny.model.network(input_ids=torch.tensor([prompt.ids])).logits[0, -1].numpy()
    assert np.abs(found[0] - plain).max() <= RELATIVE * np.abs(plain).max()
    assert np.abs(found[1] - plain).max() > 1e-3 * np.abs(plain).max()
    together = np.sqrt(sum((part[1:] ** 2).sum(1) for part in deltas.values()))
    first = ArmRun(tiny.model, [prompt], [arm], {dictionary.id: dictionary})
    with first.editing():
        before, _, total, after = first.watched_prefill()
    assert before.shape == (1, len(prompt), DEPTH * count)
    np.testing.assert_allclose(
        (total - before)[0, 1:].numpy(),
        np.concatenate([deltas[t] for t in range(count)], 1)[1:],
        atol=1e-4 * np.abs(rows).max() * together.max(),
    )
    [realised] = first.realised()
    assert realised.edits == len(prompt) - 1
    assert realised.delta == pytest.approx(together.mean(), rel=1e-3)
    assert torch.equal(after, total)


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_is_added_in_every_block(name: str, tiny: Tiny, tmp_path: Path) -> None:
    _, _, dictionary = made(name, tmp_path)
    count = len(places_of(dictionary.writes))
    vector = np.random.default_rng(3).normal(size=DEPTH * count).astype(np.float32)
    prompt = prompt_of(tiny.model, TEXT, where="t")

    def change(t: int, _given: list[np.ndarray], y: np.ndarray) -> np.ndarray:
        return y + vector[t * DEPTH : (t + 1) * DEPTH]

    expected = Filled(tiny, dictionary).logits(prompt.ids, change)
    arm = ArmEdit("added", dictionary.writes, vector, dictionary.id)
    run = ArmRun(tiny.model, [prompt], [arm], {dictionary.id: dictionary})
    with run.editing():
        found = run.prefill(use_cache=False)[0].numpy()
    assert np.abs(found - expected).max() <= RELATIVE * np.abs(expected).max()
    [realised] = run.realised()
    assert realised.delta == pytest.approx(np.linalg.norm(vector), rel=1e-4)


@pytest.mark.parametrize("name", [n for n in NAMES if has_skip(MAKERS[n][0])])
def test_a_skip_term_turned_round_makes_something_else(name: str, tmp_path: Path) -> None:
    _, _, dictionary = made(name, tmp_path)
    x = beside(inputs(BLOCKS))
    turned = dictionary.transposed_skip().reconstruct(x)
    assert not torch.allclose(turned, dictionary.reconstruct(x), rtol=0.1)


Faulty = Callable[
    [list[reference.Blocks], list[np.ndarray], list[np.ndarray]], list[np.ndarray]
]


def _bias_of_every_source(
    blocks: list[reference.Blocks], f: list[np.ndarray], x: list[np.ndarray]
) -> list[np.ndarray]:
    made = reference.decode(blocks, f, x)
    return [part + t * blocks[t].b_dec for t, part in enumerate(made)]


def _last_block_dropped(
    blocks: list[reference.Blocks], f: list[np.ndarray], x: list[np.ndarray]
) -> list[np.ndarray]:
    made = reference.decode(blocks, f, x)
    return [*made[:-1], np.zeros_like(made[-1])]


def _last_source_dropped(
    blocks: list[reference.Blocks], f: list[np.ndarray], x: list[np.ndarray]
) -> list[np.ndarray]:
    return reference.decode(blocks, [*f[:-1], np.zeros_like(f[-1])], x)


def _counted_from_the_other_end(
    blocks: list[reference.Blocks], f: list[np.ndarray], x: list[np.ndarray]
) -> list[np.ndarray]:
    """What a source adds to its own block given to the last one, and so on."""
    count = len(blocks)
    turned = [
        block._replace(decoders={t: block.decoders[count - 1 - t + s] for t in range(s, count)})
        for s, block in enumerate(blocks)
    ]
    return reference.decode(turned, f, x)


def _no_later_blocks(
    blocks: list[reference.Blocks], f: list[np.ndarray], x: list[np.ndarray]
) -> list[np.ndarray]:
    """Every source as if it were a dictionary of its own block alone."""
    alone = [
        block._replace(
            decoders={t: rows if t == s else 0 * rows for t, rows in block.decoders.items()}
        )
        for s, block in enumerate(blocks)
    ]
    return reference.decode(alone, f, x)


def _summed_over_blocks(
    blocks: list[reference.Blocks], f: list[np.ndarray], x: list[np.ndarray]
) -> list[np.ndarray]:
    """As SAELens loads a source: the sum of its decoders, written to its own block."""
    summed = [
        block._replace(
            decoders={
                t: sum(block.decoders.values()) if t == s else 0 * rows
                for t, rows in block.decoders.items()
            }
        )
        for s, block in enumerate(blocks)
    ]
    return reference.decode(summed, f, x)


@pytest.mark.parametrize(
    "fault",
    [
        _bias_of_every_source,
        _last_block_dropped,
        _last_source_dropped,
        _counted_from_the_other_end,
        _no_later_blocks,
        _summed_over_blocks,
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_decode_would_not_pass_for_the_right_one(
    name: str, fault: Faulty, tmp_path: Path
) -> None:
    equation, written, dictionary = made(name, tmp_path)
    blocks = reference.blocks_of(equation, written.arrays)
    x = inputs(len(blocks))
    f = reference.encode(blocks, x)
    wrong = np.concatenate(fault(blocks, f, x), 1)
    found = dictionary.decode(beside(f), beside(x)).numpy()
    assert np.abs(found - wrong).max() > 0.01 * np.abs(found).max()


def test_a_task_keeps_the_blocks_of_an_edit(tmp_path: Path) -> None:
    """Workers are sent their arms; a place and several blocks must come out as they went in."""
    _, _, dictionary = made("gs2 clt", tmp_path)
    vector = np.ones(dictionary.model_width, dtype=np.float32)
    arms = [
        ArmEdit("several", dictionary.writes, vector, "tiny"),
        ArmEdit("one", Place(1, "mlp_out"), vector[:DEPTH], "tiny"),
        ArmEdit("none", None, None, None),
    ]
    again = read_task(write_task(Task("ask", [], arms, None))).arms
    assert [arm.place for arm in again] == [arm.place for arm in arms]
