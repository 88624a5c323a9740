"""Edits that drop what the dictionary leaves unexplained, against a few lines of numpy.

The oracle knows the dictionary's arrays and its equation, changes the features and decodes:
nothing of it is shared with the runner, which adds what features change to a reconstruction.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from safetycase.canonical import write
from safetycase.errors import RunFailed
from safetycase.methods.operations import state_edit
from safetycase.methods.replay import compared
from safetycase.methods.sites import Place
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Operation
from safetycase.record.replay import ReplayedRow
from safetycase.run.arm_run import ArmRun
from safetycase.run.bind import RunOptions
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.generate import generate
from safetycase.run.measure import _arm_specification
from safetycase.run.progress import Silent
from safetycase.run.replay import RowPlace, WeightsAtHand, bind_case, measure_again
from safetycase.run.state_edits import require_operable
from safetycase.run.task import Task, read_task, write_task
from safetycase.run.trace import require_sound
from safetycase.sign.keys import generate as generate_keys
from safetycase.sign.signer import sign_case
from safetycase.verify.case import OpenedCase
from tests.kit.builder import policy
from tests.unit.methods.plans import plan_data
from tests.unit.run.test_operations import CANDIDATES, value_of
from tests.unit.run.test_pipeline import make
from tests.unit.run.test_state_edits import GREEDY, prompts_of, said_without_cache
from tests.unit.run.tiny_world import LAYER, Tiny

PLACE = Place(LAYER, "resid_post")
FEATURES = (0, 3, 5)
C = -1.5


def encoded(tiny: Tiny, h: np.ndarray) -> np.ndarray:
    """Activations of all features."""
    p = h @ tiny.tensors["w_enc"] + tiny.tensors["b_enc"]
    return np.where(p > tiny.tensors["threshold"], np.maximum(p, 0.0), 0.0)


def decoded(tiny: Tiny, f: np.ndarray) -> np.ndarray:
    """What features make."""
    return f @ tiny.tensors["w_dec"] + tiny.tensors["b_dec"]


def pushed(tiny: Tiny, h: np.ndarray) -> np.ndarray:
    """A direction is added to the reconstruction."""
    return decoded(tiny, encoded(tiny, h)) + vector()


def scaled(tiny: Tiny, h: np.ndarray) -> np.ndarray:
    """The features are multiplied, and everything is decoded."""
    f = encoded(tiny, h)
    f[..., FEATURES] *= 1.0 + C
    return decoded(tiny, f)


def clamped(tiny: Tiny, h: np.ndarray) -> np.ndarray:
    """The features are set to 1, 2 and 3 times the coefficient, and everything is decoded."""
    f = encoded(tiny, h)
    f[..., FEATURES] = C * np.array([1.0, 2.0, 3.0])
    return decoded(tiny, f)


def projected(tiny: Tiny, h: np.ndarray) -> np.ndarray:
    """The span of the decoder rows is turned round in what is decoded."""
    made = decoded(tiny, encoded(tiny, h))
    basis = np.linalg.qr(tiny.tensors["w_dec"][list(FEATURES)].astype(np.float64).T)[0]
    return made + C * (made @ basis) @ basis.T


def left_alone(tiny: Tiny, h: np.ndarray) -> np.ndarray:
    """The reconstruction."""
    return decoded(tiny, encoded(tiny, h))


def vector() -> np.ndarray:
    return np.random.default_rng(1).normal(size=32).astype(np.float32)


Oracle = Callable[[Tiny, np.ndarray], np.ndarray]


def arm_of(tiny: Tiny, operation: Operation, coefficient: float = C) -> ArmEdit:
    if operation == "add":
        return ArmEdit("add", PLACE, vector(), "tiny", error_policy="none")
    state = state_edit(
        operation,
        FEATURES,
        tiny.dictionary.decoder_rows(FEATURES),
        coefficient=coefficient,
        units=[1.0, 2.0, 3.0],
    )
    return ArmEdit(operation, PLACE, None, "tiny", state=state, error_policy="none")


WAYS: list[tuple[Operation, Oracle]] = [
    ("add", pushed),
    ("scale", scaled),
    ("clamp", clamped),
    ("project_out", projected),
]


@pytest.mark.parametrize(("operation", "oracle"), WAYS)
def test_generation_is_that_of_a_hook_that_decodes_changed_features(
    tiny: Tiny, operation: Operation, oracle: Oracle
) -> None:
    """In a batch with a baseline, an arm that keeps the error and the reconstruction."""
    prompts = prompts_of(tiny)
    kept = ArmEdit("kept", PLACE, vector(), "tiny")
    arms = [BASELINE_EDIT, kept, ArmEdit("reconstruction", PLACE, None, "tiny")]
    arms.append(arm_of(tiny, operation))
    answers = generate(tiny.model, prompts, [0, 0], arms, {"tiny": tiny.dictionary}, GREEDY)
    for number, way in ((2, left_alone), (3, oracle)):
        added: list[np.ndarray] = []
        dropped: list[np.ndarray] = []

        def edit(
            _module: object,
            _args: object,
            output: torch.Tensor,
            way: Oracle = way,
            added: list[np.ndarray] = added,
            dropped: list[np.ndarray] = dropped,
        ) -> torch.Tensor:
            h = output[0, 1:].numpy()
            after, made = way(tiny, h), left_alone(tiny, h)
            added[:] = [np.linalg.norm(after - made, axis=1)]
            dropped[:] = [np.linalg.norm(made - h, axis=1)]
            changed = output.clone()
            changed[0, 1:] = torch.from_numpy(after.astype(np.float32))
            return changed

        answer, said = answers[1][number], said_without_cache(tiny, prompts[1], edit)
        assert answer.tokens == tuple(said)
        assert answer.realised.edits == len(added[0])
        sizes = dropped[0] if way is left_alone else added[0]
        assert answer.realised.delta == pytest.approx(float(sizes.mean()), rel=1e-4)
        assert dropped[0].min() > 1e-3


def test_rows_of_a_mixed_batch_are_what_each_is_alone(tiny: Tiny) -> None:
    prompts = prompts_of(tiny)
    zero = arm_of(tiny, "clamp", 0.0)
    arms = [
        BASELINE_EDIT,
        ArmEdit("elsewhere", Place(LAYER - 1, "resid_post"), vector(), "tiny"),
        *(arm_of(tiny, operation) for operation, _ in WAYS),
        ArmEdit("kept", PLACE, vector(), "tiny"),
        ArmEdit("reconstruction", PLACE, None, "tiny"),
        ArmEdit("zero", PLACE, None, "tiny", state=zero.state, error_policy="none"),
    ]
    dictionaries = {"tiny": tiny.dictionary}
    run = ArmRun(tiny.model, prompts, arms, dictionaries)
    with run.editing():
        together = run.prefill(use_cache=False)
    for i, prompt in enumerate(prompts):
        for a, arm in enumerate(arms):
            alone = ArmRun(tiny.model, [prompt], [arm], dictionaries)
            with alone.editing():
                logits = alone.prefill(use_cache=False)
            found = together[i * len(arms) + a]
            torch.testing.assert_close(found, logits[0], rtol=1e-4, atol=1e-4)
    rows = together.reshape(len(prompts), len(arms), -1)
    torch.testing.assert_close(rows[:, -1], rows[:, -2], rtol=1e-5, atol=1e-5)
    assert (rows[:, -1] - rows[:, 0]).abs().amax() > 1e-3
    sizes = [each.delta for each in run.realised()]
    assert sizes[len(arms) - 1 :: len(arms)] == [0.0] * len(prompts)
    assert min(sizes[len(arms) - 2 :: len(arms)]) > 0.1


def test_what_is_made_once_an_item_is_what_is_made_row_by_row(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, arms = prompts_of(tiny), [BASELINE_EDIT, *(arm_of(tiny, o) for o, _ in WAYS)]
    encoded_rows: list[int] = []
    made_of = type(tiny.dictionary).made_of

    def counted(self: object, given: dict[Place, torch.Tensor], features: list) -> torch.Tensor:
        encoded_rows.append(len(given[PLACE]))
        return made_of(self, given, features)  # type: ignore[arg-type]  # the method itself

    monkeypatch.setattr(type(tiny.dictionary), "made_of", counted)
    run = ArmRun(tiny.model, prompts, arms, {"tiny": tiny.dictionary})
    with run.editing():
        first = run.prefill(use_cache=True)
        everyone = torch.ones(run.rows, dtype=torch.bool)
        run.step(first.argmax(-1), everyone)
    assert encoded_rows == [len(prompts), len(prompts) * len(WAYS)]


def test_the_policy_is_part_of_a_task_and_of_a_units_key(tiny: Tiny) -> None:
    dropped = arm_of(tiny, "add")
    kept = ArmEdit("add", PLACE, vector(), "tiny")
    assert _arm_specification(dropped) != _arm_specification(kept)
    again = read_task(write_task(Task("ask", [], [dropped, kept], None))).arms
    assert [arm.error_policy for arm in again] == ["none", None]


def test_what_is_asked_of_a_dictionary_that_scales_or_clamps_does_not_change(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = plan_data()
    data["axes"][0]["candidate"] |= {"operation": "scale", "error_policy": "none"}
    monkeypatch.setattr(type(tiny.dictionary), "scales_by_token", property(lambda _: True))
    with pytest.raises(RunFailed, match="token by token"):
        require_operable(Plan.model_validate_json(write(data)), {"dict": tiny.dictionary})


@pytest.fixture(scope="module")
def case(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> OpenedCase:
    value = value_of(CANDIDATES["scale in the reconstruction"])
    refusal = {"dataset": "contrast", "label": "context", "positive": "evaluation"}
    [axis] = value["axes"]
    axis["baselines"]["refusal_direction"] = {"contrast": refusal, "operation": "project_out"}
    value["audit"] = {"rows": 400, "positions": 2}  # of every arm some, whatever the seed
    folder = tmp_path_factory.mktemp("dropped")
    path = make(tiny, folder, value=value)
    generate_keys(folder / "lab", "lab")
    sign_case(path, folder / "lab")
    return OpenedCase(path, policy(), "2026-06-01T00:00:00Z")


@pytest.mark.run
def test_every_arm_says_whether_the_error_is_dropped(case: OpenedCase) -> None:
    [result] = case.record.results.axes
    assert result.intervention is not None
    assert result.intervention.error_policy == "none"
    for arm in result.arms:
        keeps = arm.role in {"sham", "reconstruction", "prompt", "refusal_direction"}
        assert arm.error_policy == (None if keeps else "none"), arm.id
    assert result.baselines is not None
    assert result.baselines[0].arm == "context/reconstruction"
    assert "adds_to_reconstruction" in {each.id for each in result.claim.conditions}
    assert result.claim.p is not None
    assert result.claim.p >= result.baselines[0].p
    assert "Beside the dictionary's reconstruction alone" in result.claim.wording


@pytest.mark.run
def test_a_zero_dose_is_the_reconstruction_and_the_sham_is_not(case: OpenedCase) -> None:
    arms = {arm.id: arm for arm in case.record.results.axes[0].arms}
    [zero] = [a for a in arms.values() if a.role == "dose" and not a.dose]
    assert zero.realised == 0.0
    assert arms["context/sham"].realised == 0.0
    dropped = arms["context/reconstruction"].realised
    assert dropped is not None
    assert dropped > 0.1


@pytest.mark.run
def test_traced_reconstructions_are_the_dictionarys(case: OpenedCase, tiny: Tiny) -> None:
    traces = case.axis("context").traces
    assert traces is not None
    before = traces.tensor("trace_before").astype(np.float64)
    made = traces.tensor("trace_reconstruction")
    kept = [row.arm == "context/refusal_direction" for row in traces.rows]
    assert 0 < sum(kept) < len(kept)
    assert not made[kept].any()
    wanted = left_alone(tiny, before)
    np.testing.assert_allclose(
        made[np.logical_not(kept)], wanted[np.logical_not(kept)], atol=1e-4
    )
    target = [row.arm == "context/target" for row in traces.rows]
    [spec] = [spec for spec in traces.specs if spec.id == "context/target"]
    f = encoded(tiny, before[target])
    f[:, list(spec.features)] *= 1.0 + spec.coefficient
    after = traces.tensor("trace_after")[target]
    np.testing.assert_allclose(after, decoded(tiny, f), atol=1e-4)
    assert list(traces.edit_faults()) == list(traces.account_faults()) == []
    require_sound(traces)


def one_of_every_arm(case: OpenedCase, tiny: Tiny, cache: Path) -> list[ReplayedRow]:
    """A row of each arm of each evaluation, measured again here, in other batches."""
    bound = bind_case(
        case.record,
        case.container.read("plan.json"),
        case.published,
        WeightsAtHand("model", {"tiny": "dictionary"}, beside=tiny.folder),
        cache=cache,
        options=RunOptions(threads=1, batch_rows=40),
    )
    first: dict[str, RowPlace] = {}
    for table, rows in case.published.tables.items():
        for line, row in enumerate(rows, start=2):
            first.setdefault(f"{row.evaluation} {row.arm}", RowPlace(table=table, line=line))
    assert len(first) > 30
    places = list(first.values())
    measured = measure_again(bound.bench, case.published, case.case_seed, places, Silent())
    return [compared(case.published, place, measured[place]) for place in places]


@pytest.mark.run
def test_rows_are_measured_again(case: OpenedCase, tiny: Tiny, tmp_path: Path) -> None:
    """A reviewer with the weights gets the same of every arm."""
    for found in one_of_every_arm(case, tiny, tmp_path):
        assert found.differs == ()
        assert found.largest < 0.01
