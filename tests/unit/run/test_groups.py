"""A real run whose edit takes decoder neighbours in, with a dictionary of split features."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safetycase.cli.as_written import require_verified
from safetycase.methods.identify import pooled
from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.tables.evidence import Evidence
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.tiny_world import DICTIONARY_CONFIG, Tiny, plan_value, write_dictionary

pytestmark = pytest.mark.run

Opened = tuple[Plan, str, Evidence, Case]
COSINE, CO_FIRING = 0.5, 0.3


def _split(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every feature twice, each half as active, the second turned, with a later threshold."""
    rng = np.random.default_rng(11)
    rows = tensors["w_dec"]
    turned = rows + 0.05 * rng.normal(size=rows.shape).astype(np.float32)
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    encoder, threshold = 0.5 * tensors["w_enc"], 0.5 * tensors["threshold"]
    return tensors | {
        "w_enc": np.ascontiguousarray(np.concatenate([encoder, encoder], axis=1)),
        "w_dec": np.ascontiguousarray(np.concatenate([rows, turned]), dtype=np.float32),
        "b_enc": np.concatenate([tensors["b_enc"]] * 2),
        "threshold": np.concatenate([threshold, threshold + np.float32(0.01)]),
    }


def _value() -> dict[str, Any]:
    value = plan_value() | {"audit": {"rows": 8, "positions": 2}}
    [axis] = value["axes"]
    rule = {"cosine": COSINE, "co_firing": CO_FIRING, "at_most": 2}
    axis["selection"] |= {"keep": 1, "groups": rule}
    axis["candidate"] |= {
        "operation": "scale",
        "unit": "activation_multiple",
        "doses": [-2.0, -1.0, 0.0, 1.0, 2.0],
    }
    value["controls"]["norm_tolerance"] = 0.5
    return value


@pytest.fixture(scope="module")
def split(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("split")
    for part in ("model", "items"):
        shutil.copytree(tiny.folder / part, folder / part)
    tensors = _split(tiny.tensors)
    config = {**DICTIONARY_CONFIG, "width": len(tensors["w_dec"]), "l0": 60}
    write_dictionary(folder / "dictionary", tensors, config)
    return replace(tiny, folder=folder, tensors=tensors)


@pytest.fixture(scope="module")
def path(split: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(split, tmp_path_factory.mktemp("groups"), value=_value())


@pytest.fixture(scope="module")
def case(path: Path) -> Opened:
    return opened(path)


def test_the_verifier_agrees(path: Path) -> None:
    require_verified(path, at="2026-03-01T00:00:00Z")


def test_the_other_half_of_the_kept_feature_is_edited_with_it(case: Opened) -> None:
    _, _, evidence, record = case
    [result] = record.results.axes
    [kept] = [each.feature for each in result.identification.features]
    width = int(evidence.tensor("context.width")[0])
    half = (kept + width // 2) % width
    assert result.groups is not None
    assert [one.member for one in result.groups] == [half]
    arms = {arm.id: arm for arm in result.arms}
    for role in ("target", "sham", "opposite"):
        assert arms[f"context/{role}"].features == tuple(sorted((kept, half)))


def test_members_are_those_of_the_whole_decoder_and_of_every_feature(
    case: Opened, split: Tiny
) -> None:
    """By numpy alone: every feature near enough that fires with the kept one, and no other."""
    plan, _, evidence, record = case
    [result] = record.results.axes
    [kept] = [each.feature for each in result.identification.features]
    rows = split.tensors["w_dec"].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = rows @ rows[kept]
    fires = pooled(plan.axes[0], evidence) > 0
    both = (fires & fires[:, [kept]]).sum(0)
    share = both / np.maximum((fires | fires[:, [kept]]).sum(0), 1)
    near = np.flatnonzero((cosines >= COSINE) & (share >= CO_FIRING))
    assert result.groups is not None
    assert {one.member for one in result.groups} == set(near.tolist()) - {kept}
    [member] = result.groups
    assert member.cosine == pytest.approx(cosines[member.member], abs=1e-5)
    assert member.both == both[member.member] > 0
    ids = evidence.tensor("context.group_features")
    assert set(ids.tolist()) == set(np.flatnonzero(share >= CO_FIRING).tolist()) - {kept}
    assert len(ids) > 1
    assert evidence.tensor("context.group_cosines") == pytest.approx(cosines[ids], abs=1e-5)


def test_random_sets_are_as_large_as_the_group(case: Opened) -> None:
    _, _, _, record = case
    [result] = record.results.axes
    drawn = [arm for arm in result.arms if arm.role in {"random_live", "best_of"}]
    target = next(arm for arm in result.arms if arm.role == "target")
    assert drawn
    for arm in drawn:
        assert len(arm.features) == len(target.features) == 2
        assert set(arm.features).isdisjoint(target.features)
