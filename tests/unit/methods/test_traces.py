"""Which rows are traced."""

from __future__ import annotations

from typing import Any

import pytest

from safetycase.methods.stream import Stream
from safetycase.methods.trace_draws import traced_rows
from safetycase.record.plan import Audit


@pytest.mark.parametrize("rows", [1, 2, 5, 30])
@pytest.mark.parametrize("sizes", [[4], [4, 3, 0, 5], [1, 0, 2], [9, 0]])
def test_controls_are_drawn_as_if_they_stood_end_to_end(rows: int, sizes: list[int]) -> None:
    cells: list[Any] = [[(arm, n) for n in range(size)] for arm, size in enumerate(sizes)]
    controls = [row for cell in cells[1:] for row in cell]
    stream = Stream("d", "traces")
    half = stream.sample(len(cells[0]), min((rows + 1) // 2, len(cells[0])))
    rest = stream.sample(len(controls), min(rows // 2, len(controls)))
    expected = [cells[0][place] for place in half] + [controls[place] for place in rest]
    audit = Audit.model_construct(rows=rows)
    assert traced_rows(audit, cells, Stream("d", "traces")) == expected
