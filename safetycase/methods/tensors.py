"""Which tensors a plan asks for, and which of a case's are not so.

Everything that a method computes with passes here first: names, files, types, dimensions that
must agree, finite values. What does not is treated as if it were not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetycase.methods.attribution import attribution_name
from safetycase.methods.contrasts import needed_means, refusal_name, refusal_of
from safetycase.methods.encode import slice_names
from safetycase.methods.equations import dictionary_of, read_place, written_place
from safetycase.methods.gap import Gap
from safetycase.methods.groups import cosines_name, ids_name
from safetycase.methods.identify import held_out_name
from safetycase.methods.stacks import parts_of, with_stacks
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis

Array = NDArray[np.generic]

Size = int | str | None
"""A fixed size; a name, whose first occurrence in an axis fixes it; or any size."""


@dataclass(frozen=True, slots=True)
class PlannedTensor:
    """A tensor as the plan asks for it."""

    path: str
    name: str
    dtype: str
    shape: tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class TensorFault:
    """A tensor that is not as planned."""

    path: str
    tensor: str
    expected: str
    found: str


def tensor_path(stem: str) -> str:
    """Name in the case of a file of tensors."""
    return f"evidence/{stem}.safetensors"


def planned_tensors(plan: Plan, model_widths: Mapping[str, int]) -> Iterator[PlannedTensor]:
    """Every tensor of a case of this plan; `model_widths` by dictionary, as far as known."""
    known = with_stacks(plan, model_widths)
    for axis in plan.axes:
        width = known.get(axis.dictionary, "model width")
        pool = plan.controls.activation_pool
        for stem, name, dtype, shape in (
            ("pooled", "values", "<f4", ("values",)),
            ("pooled", "columns", "<i4", ("values",)),
            ("pooled", "indptr", "<i8", (None,)),
            ("pooled", "width", "<i8", (len(parts_of(plan, axis.dictionary)),)),
            ("activations", "pool", "<f4", (pool, width)),
            ("dictionary", "features", "<i8", ("features",)),
            ("dictionary", "w_dec", "<f4", ("features", width)),
            ("directions", "directions", "<f4", (None, width)),
        ):
            yield PlannedTensor(tensor_path(stem), f"{axis.id}.{name}", dtype, shape)
        yield from _asked_for(plan, axis, width)
        if plan.audit is not None:
            yield from _trace_tensors(plan, axis, width)
    for evaluation in plan.evaluations:
        if evaluation.measure.kind == "probe":
            name = f"{evaluation.id}.residuals"
            yield PlannedTensor(tensor_path("probes"), name, "<f4", (None, None))


def _asked_for(plan: Plan, axis: Axis, width: Size) -> Iterator[PlannedTensor]:
    """What only some plans publish of the search and of what stands around it."""
    if axis.selection.pooling is not None:
        path = tensor_path("pooled")
        yield PlannedTensor(path, held_out_name(axis), "<f4", (None, None))
    if axis.selection.attribution is not None:
        path = tensor_path("pooled")
        yield PlannedTensor(path, attribution_name(axis), "<f4", ("values",))
    for name in needed_means(plan, axis):
        yield PlannedTensor(tensor_path("means"), name, "<f4", (None, width))
    if refusal_of(axis) is not None:
        path = tensor_path("means")
        yield PlannedTensor(path, refusal_name(axis), "<f4", (None, width))
    if axis.selection.groups is not None:
        path = tensor_path("neighbours")
        yield PlannedTensor(path, ids_name(axis), "<i8", ("companions",))
        yield PlannedTensor(path, cosines_name(axis), "<f8", ("companions",))
    if plan.geometry is not None:
        path, shape = tensor_path("neighbours"), ("named", width)
        yield PlannedTensor(path, f"{axis.id}.neighbours", "<i8", ("named",))
        yield PlannedTensor(path, f"{axis.id}.neighbour_rows", "<f4", shape)


def _trace_tensors(plan: Plan, axis: Axis, width: Size) -> Iterator[PlannedTensor]:
    """What an audit publishes: single edits, and the slices that activations follow from."""
    dictionary = dictionary_of(plan, axis)
    names = ["before", "delta", "after"]
    if read_place(dictionary) != written_place(dictionary):
        names.append("read")
    if axis.candidate.error_policy is not None:
        names.append("reconstruction")
    path = tensor_path("traces")
    for name in names:
        yield PlannedTensor(path, f"{axis.id}.trace_{name}", "<f4", ("traces", width))
    shape = ("traces", "features")
    yield PlannedTensor(path, f"{axis.id}.trace_activations", "<f4", shape)
    known: dict[str, Size] = {"model width": width, "one": 1}
    for name, dtype, sizes in slice_names(dictionary.equation):
        shape_of_slices = tuple(known.get(size, size) for size in sizes)
        yield PlannedTensor(tensor_path("encoder"), f"{axis.id}.{name}", dtype, shape_of_slices)


def tensor_faults(
    plan: Plan,
    model_widths: Mapping[str, int],
    files: Mapping[str, Mapping[str, Array]],
    *,
    activations: int = 2**29,
) -> list[TensorFault]:
    """What is missing, what nobody planned, and what has another type, shape or no value."""
    planned = {(t.path, t.name): t for t in planned_tensors(plan, model_widths)}
    found = {
        (path, name): array for path, held in files.items() for name, array in held.items()
    }
    faults = [
        TensorFault(path, name, "a tensor that the plan asks for", "another")
        for path, name in found.keys() - planned.keys()
    ]
    sizes: dict[tuple[str, str], int] = {}
    for key, tensor in planned.items():
        if key not in found:
            faults.append(TensorFault(*key, "a tensor that the plan asks for", "none"))
        elif not _fits(tensor, found[key], sizes):
            seen = f"{found[key].dtype} {found[key].shape}"
            faults.append(TensorFault(*key, f"{tensor.dtype} {tensor.shape}", seen))
        elif found[key].dtype.kind == "f" and not np.isfinite(found[key]).all():
            faults.append(TensorFault(*key, "finite values", "NaN or infinity"))
    faults += _too_many(plan, found, activations)
    return sorted(faults, key=lambda fault: (fault.path, fault.tensor))


def _too_many(
    plan: Plan, found: Mapping[tuple[str, str], Array], most: int
) -> Iterator[TensorFault]:
    """Axes whose pooled activations, spread out, would be more than the limit."""
    path = tensor_path("pooled")
    for axis in plan.axes:
        width = found.get((path, f"{axis.id}.width"))
        bounds = found.get((path, f"{axis.id}.indptr"))
        if width is None or bounds is None or not width.size:
            continue
        count = sum(map(int, width.flat)) * max(bounds.size - 1, 0)
        if count > most:
            expected = f"at most {most} activations (--limit activations=N raises it)"
            yield TensorFault(path, f"{axis.id}.width", expected, str(count))


def width_gaps(
    plan: Plan, stated: Mapping[str, int], arrays: Mapping[str, Array]
) -> Iterator[Gap]:
    """Dictionaries whose stated number of features is not the published one."""
    for axis in plan.axes:
        array = arrays.get(f"{axis.id}.width")
        if array is None:
            continue
        for part, width in zip(parts_of(plan, axis.dictionary), array, strict=True):
            if stated.get(part) != int(width):
                where = f"case.json#/dictionaries {part} /width"
                yield Gap(where, str(int(width)), str(stated.get(part)), axis=axis.id)


def depth_gaps(plan: Plan, stated: Mapping[str, int]) -> Iterator[Gap]:
    """Stacks whose parts are stated to be of activations of different widths."""
    for stack in plan.stacks or ():
        for part in stack.parts[1:]:
            first, own = stated.get(stack.parts[0]), stated.get(part)
            if own != first:
                where = f"case.json#/dictionaries {part} /model_width"
                yield Gap(where, f"{first}, as of {stack.parts[0]}", str(own))


def _fits(tensor: PlannedTensor, array: Array, sizes: dict[tuple[str, str], int]) -> bool:
    if array.dtype != np.dtype(tensor.dtype) or array.ndim != len(tensor.shape):
        return False
    owner = tensor.name.rpartition(".")[0]
    return all(
        size is None
        or have == (sizes.setdefault((owner, size), have) if isinstance(size, str) else size)
        for size, have in zip(tensor.shape, array.shape, strict=True)
    )
