"""Values that no dictionary can have are refused, and files that changed, before any use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from safetycase.errors import RunFailed
from safetycase.run.dictionaries.registry import specify
from safetycase.run.dictionaries.sound import require_sound
from safetycase.run.dictionaries.specification import Stated
from safetycase.run.folder import Folder, open_folder
from tests.unit.run.dictionaries.made import gs2, gs2_arrays

Tensors = dict[str, np.ndarray]


def folder_of(path: Path) -> Folder:
    return open_folder(".", path, where="d", remedy="None.")


def check(path: Path) -> None:
    folder = folder_of(path)
    found = specify(folder, Stated("d"))
    require_sound(found, folder.files, folder.paths, where="dictionary d")


def _nan(t: Tensors) -> None:
    t["b_enc"][3] = np.nan


def _infinite(t: Tensors) -> None:
    t["w_dec"][-1, -1] = np.inf


def _negative(t: Tensors) -> None:
    t["threshold"][0] = -0.1


def _long(t: Tensors) -> None:
    t["w_dec"][2] *= 1.1


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (_nan, "dictionary d b_enc"),
        (_infinite, "dictionary d w_dec"),
        (_negative, "dictionary d threshold"),
        (_long, "dictionary d w_dec"),
    ],
)
def test_faulty_values_are_refused(
    tmp_path: Path, fault: Callable[[Tensors], None], where: str
) -> None:
    gs2(tmp_path, site="resid_post", skip=None)
    check(tmp_path)
    tensors = gs2_arrays(np.random.default_rng(0), skip=False)
    fault(tensors)
    save_file(tensors, tmp_path / "params.safetensors")
    with pytest.raises(RunFailed) as refused:
        check(tmp_path)
    assert refused.value.where == where


def test_a_file_that_changed_after_the_plan_was_fixed_is_refused(tmp_path: Path) -> None:
    gs2(tmp_path, site="resid_post", skip=None)
    folder = folder_of(tmp_path)
    found = specify(folder, Stated("d"))
    files = folder.files
    gs2(tmp_path, site="resid_post", skip=None, seed=1)
    with pytest.raises(RunFailed) as refused:
        require_sound(found, files, folder.paths, where="dictionary d")
    assert refused.value.where == "dictionary d params.safetensors"
    assert refused.value.expected.startswith("the bytes that the plan was fixed with")
