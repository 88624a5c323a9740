"""On a GPU the runner gives what it gives on the processor; skipped where torch sees none.

What the processor gives is held by references of their own in tests/unit/run. Here every family
of models and dictionaries, every operation, whole runs, processes that share a GPU and memory
that really runs out are compared with that. `make gpu-test` runs this file alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the run extra is not installed")

import torch

from safetycase.cli.as_written import require_verified
from safetycase.methods.sites import places_of
from safetycase.run.arm_run import ArmRun
from safetycase.run.attribute import batch_attributions
from safetycase.run.choose import choose, question_of
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.model import LoadedModel, load_model, make_deterministic
from safetycase.run.prompts import encode
from safetycase.run.selftest import Subject, self_tests
from safetycase.run.shrink import Batches, parts_that_fit
from safetycase.sign.keys import generate
from safetycase.sign.signer import sign_case
from safetycase.tables.rows import ItemRow
from safetycase.verify.case import OpenedCase
from tests.kit.builder import policy
from tests.unit.run import test_device_map as alike
from tests.unit.run.dictionaries.made import DEPTH
from tests.unit.run.dictionaries.made import MAKERS as OF_ONE_BLOCK
from tests.unit.run.dictionaries.made_layers import MAKERS as OF_SEVERAL
from tests.unit.run.test_engines import CASE, finished, started
from tests.unit.run.test_error_policy import one_of_every_arm
from tests.unit.run.test_operations import CANDIDATES, value_of
from tests.unit.run.test_pipeline import make, opened, timeless, write_plan
from tests.unit.run.test_selftest import TEXTS
from tests.unit.run.tiny_networks import MAKERS, tiny_model
from tests.unit.run.tiny_world import Tiny, batches_of, build, load_dictionary, plan_value

HERE = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
DEVICE = next((name for name, is_here in HERE.items() if is_here), "none")
if DEVICE == "none":
    pytest.skip("torch sees no GPU here", allow_module_level=True)

pytestmark = pytest.mark.run
CUDA = pytest.mark.skipif(DEVICE != "cuda", reason="asks CUDA's own allocator")
DICTIONARIES = OF_ONE_BLOCK | OF_SEVERAL
LATER = "2026-03-01T00:00:00Z"
TEXT = "the audit comes and the panel . do i make soup ?"
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


@pytest.fixture(scope="module", autouse=True)
def _deterministic() -> None:
    make_deterministic()
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return build(tmp_path_factory.mktemp("tiny"))


def placed(tiny: Tiny) -> LoadedModel:
    """The tiny model, on the GPU."""
    return load_model(tiny.folder / "model", dtype="float32", device=DEVICE)


def assert_alike(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.device.type == DEVICE
        torch.testing.assert_close(one.cpu(), other, **CLOSE)


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_every_family_of_models(name: str) -> None:
    """Edits at several sites, with a cache, rows leaving; texts, likelihoods, activations."""
    there, here = tiny_model(name, DEVICE), tiny_model(name)
    assert_alike(alike.logits(there), alike.logits(here))
    assert_alike(alike.seen(there), alike.seen(here))
    texts: Any = [[a.tokens for row in alike.texts(m) for a in row] for m in (there, here)]
    assert texts[0] == texts[1]
    scored: Any = [
        [(t.nll, t.realised.edits) for row in alike.perplexity(m) for t in row]
        for m in (there, here)
    ]
    np.testing.assert_allclose(*scored, rtol=1e-4)
    judged: Any = [alike.coherence(m) for m in (there, here)]
    for found, expected in zip(*judged, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)


def of_family(name: str, folder: Path, device: str) -> Dictionary:
    _, maker = DICTIONARIES[name]
    written = maker(folder)
    return load_dictionary(folder, device=device, **written.stated)


@pytest.mark.parametrize("name", sorted(DICTIONARIES))
def test_every_family_of_dictionaries(name: str, tiny: Tiny, tmp_path: Path) -> None:
    """Encoding, decoding, its error, its rows, and the model with its reconstruction."""
    there, here = (of_family(name, tmp_path / at, at) for at in (DEVICE, "cpu"))
    blocks = len(places_of(here.reads))
    drawn = np.random.default_rng(5).normal(size=(40, blocks * DEPTH))
    x = torch.from_numpy((2 * drawn).astype(np.float32))
    f = here.encode(x)
    found = there.encode(x.to(DEVICE))
    assert torch.equal(found.cpu() != 0, f != 0)
    chosen = [3, 0, here.width - 1, 20]
    largest = f.abs().max().item()
    close = partial(torch.testing.assert_close, rtol=0.0, atol=1e-5 * largest)
    close(found.cpu(), f)
    close(there.encode_chosen(x.to(DEVICE), chosen).cpu(), f[:, chosen])
    made = here.reconstruct(x)
    close = partial(torch.testing.assert_close, rtol=0.0, atol=1e-5 * made.abs().max().item())
    close(there.reconstruct(x.to(DEVICE)).cpu(), made)
    close(there.error(x.to(DEVICE), x.to(DEVICE)).cpu(), here.error(x, x))
    np.testing.assert_array_equal(there.decoder_rows(chosen), here.decoder_rows(chosen))
    logits = []
    for model, dictionary in ((placed(tiny), there), (tiny.model, here)):
        arm = ArmEdit("replaced", dictionary.writes, None, dictionary.id)
        prompt = encode(model, TEXT, where="test")
        run = ArmRun(model, [prompt], [arm], {dictionary.id: dictionary})
        with run.editing():
            logits.append(run.prefill(use_cache=False))
    assert_alike(logits[:1], logits[1:])


def test_self_tests_pass_at_every_length_of_a_batch(tiny: Tiny) -> None:
    """A kernel that is wrong at one remainder of the length by 32 shows here."""
    model = placed(tiny)
    dictionary = load_dictionary(tiny.folder / "dictionary", device=DEVICE)
    prompts = [encode(model, text, where="test") for text in TEXTS]
    tests = self_tests(
        {"tiny": Subject(model, dictionary, prompts)}, dtype="float32", batches=batches_of(8)
    )
    values = {test.id: test.value for test in tests}
    assert values["batch_parity"] < 1e-4
    assert values["hook_identity"] == values["zero_dose_identity"] == 0.0


def test_questions_and_attribution(tiny: Tiny) -> None:
    item = ItemRow("d", "i", "c", "choice", None, "held_out", "yes", "no", TEXT)
    row = tiny.dictionary.decoder_rows([3])[0]
    arms = [BASELINE_EDIT, ArmEdit("dose", tiny.dictionary.writes, 3 * row, "tiny")]
    measured = []
    for model, device in ((placed(tiny), DEVICE), (tiny.model, "cpu")):
        dictionary = load_dictionary(tiny.folder / "dictionary", device=device)
        asked = [question_of(model, item, where="test")]
        [given] = choose(model, asked, arms, {})
        measured.append(
            [
                *(v for one in given for v in (one.forward_matching, one.swapped_other)),
                *batch_attributions(model, dictionary, asked)[0],
            ]
        )
    np.testing.assert_allclose(*measured, **CLOSE)


@pytest.mark.parametrize("name", list(CANDIDATES))
def test_a_case_of_every_operation_verifies(name: str, tiny: Tiny, tmp_path: Path) -> None:
    path = make(tiny, tmp_path, value=value_of(CANDIDATES[name]), device=DEVICE)
    require_verified(path, at=LATER)
    environment = opened(path)[3].environment
    assert not environment.device.startswith("cpu")
    assert environment.deterministic


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_run_repeats_to_the_byte(dtype: str, tiny: Tiny, tmp_path: Path) -> None:
    value = plan_value()
    value["model"]["dtype"] = dtype
    value["audit"] = {"rows": 12, "positions": 4}
    first, second = (
        make(tiny, tmp_path / name, value=value, device=DEVICE) for name in ("a", "b")
    )
    require_verified(first, at=LATER)
    assert timeless(first) == timeless(second)


def test_two_processes_on_one_gpu_give_the_bytes_of_one(tiny: Tiny, tmp_path: Path) -> None:
    plan = write_plan(tiny)
    for workers in (1, 2):
        out = tmp_path / str(workers)
        finished(started(plan, out, "--device", DEVICE, "--workers", workers))
    assert timeless(tmp_path / "1" / CASE) == timeless(tmp_path / "2" / CASE)


def test_a_model_on_two_kinds_of_devices(tiny: Tiny) -> None:
    """Its last block lies on the processor, and is edited there."""
    there = f"{DEVICE}:0"
    parts = dict.fromkeys(alike.parts_of(tiny.model), there)
    parts |= {part: "cpu" for part in parts if part.endswith(".2")}
    model = load_model(tiny.folder / "model", dtype="float32", device_map=parts)
    assert model.device_map == parts
    prompt = encode(model, TEXT, where="test")
    arms = [BASELINE_EDIT, *map(partial(vector_at, tiny), range(3))]
    found, expected = [], []
    for network, kept in ((model, found), (tiny.model, expected)):
        run = ArmRun(network, [prompt], arms, {})
        with run.editing():
            kept.append(run.prefill(use_cache=True))
            tokens = kept[-1].argmax(-1)
            kept.append(run.step(tokens, torch.ones_like(tokens, dtype=torch.bool)))
    assert_alike(found, expected)


def vector_at(tiny: Tiny, layer: int) -> ArmEdit:
    place = type(tiny.dictionary.writes)(layer, "resid_post")
    vector = np.random.default_rng(layer).normal(size=tiny.model.width).astype(np.float32)
    return ArmEdit(f"at {layer}", place, vector, None)


def test_a_reviewer_without_a_gpu_measures_the_same(tiny: Tiny, tmp_path: Path) -> None:
    """Rows of a run on the GPU, on the processor: nearly all texts and outcomes are equal."""
    case = make(tiny, tmp_path, device=DEVICE)
    generate(tmp_path / "lab", "lab")
    sign_case(case, tmp_path / "lab")
    found = one_of_every_arm(OpenedCase(case, policy(), LATER), tiny, tmp_path)
    assert sum(bool(one.differs) for one in found) <= 0.05 * len(found)


@contextmanager
def a_small_gpu(bytes_left: int) -> Iterator[None]:
    """Inside, torch may take so much more than it holds; then its allocator refuses."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    share = (torch.cuda.memory_reserved() + bytes_left) / total
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@CUDA
def test_memory_that_runs_out_halves_a_batch() -> None:
    seen: list[int] = []
    with a_small_gpu(200 * 2**20):
        parts = list(
            parts_that_fit(
                range(16),
                Batches(16, seen.append),
                lambda part: torch.empty(len(part) * 2**24, device=DEVICE).numel(),
            )
        )
    assert seen == [8, 4, 2]
    assert [number for part, _ in parts for number in part] == list(range(16))


@CUDA
def test_a_run_whose_units_do_not_fit_says_so_and_verifies(tiny: Tiny, tmp_path: Path) -> None:
    with a_small_gpu(24 * 2**20):
        path = make(tiny, tmp_path, batch_rows=100_000, device=DEVICE)
    require_verified(path, at=LATER)
    [deviation] = opened(path)[3].deviations
    assert "units were measured in smaller batches than planned" in deviation.what
    assert "Memory ran out" in deviation.why
