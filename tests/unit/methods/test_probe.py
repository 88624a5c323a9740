from __future__ import annotations

import numpy as np
import pytest

from safetycase.errors import MethodRefused
from safetycase.methods.probe import fit


def test_the_probe_is_the_difference_of_means_with_its_midpoint() -> None:
    x = np.array([[1.0, 5.0], [3.0, 5.0], [-1.0, 5.0], [-3.0, 5.0]], dtype=np.float32)
    probe = fit(x, np.array([True, True, False, False]))
    assert probe.direction.tolist() == [1.0, 0.0]
    assert probe.threshold == 0.0


@pytest.mark.parametrize("labels", [[True, True], [False, False]])
def test_one_class_gives_no_probe(labels: list[bool]) -> None:
    with pytest.raises(MethodRefused):
        fit(np.eye(2, dtype=np.float32), np.array(labels))


def test_equal_means_give_no_probe() -> None:
    with pytest.raises(MethodRefused):
        fit(np.ones((2, 2), dtype=np.float32), np.array([True, False]))
