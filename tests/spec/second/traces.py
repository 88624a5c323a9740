"""Clauses 7.3, 7.4, 13.6 to 13.8: audit traces and nearest decoder neighbours."""

import math
import struct
from collections.abc import Sequence

from tests.spec.second import directions
from tests.spec.second.container import demand
from tests.spec.second.directions import Pooled
from tests.spec.second.draws import Stream
from tests.spec.second.edits import ROUNDING, Activation, Edit, dot, edit_of
from tests.spec.second.json_types import Json, Row
from tests.spec.second.planned import candidates
from tests.spec.second.verifier import NotCovered, Verifier

FLOAT32 = 2.0**-22
UNIT = {"float32": FLOAT32, "bfloat16": 2.0**-8}
SHARE = {"float32": 1e-3, "bfloat16": 2e-2}
UNEDITED = {"baseline", "sham", "reconstruction", "prompt", "system_prompt"}


def neighbours(v: Verifier, axis: Json, search: Json, pooled: Pooled) -> list[Json] | None:
    """Clause 7.4: of every kept feature, those with the nearest decoder rows."""
    if "geometry" not in v.plan:
        return None
    a, kept = axis["id"], [f["feature"] for f in search["features"]]
    own = dict(zip(v.tensors[f"{a}.features"], v.tensors.rows(f"{a}.w_dec"), strict=True))
    near = list(
        zip(v.tensors[f"{a}.neighbours"], v.tensors.rows(f"{a}.neighbour_rows"), strict=True)
    )
    each = min(v.plan["geometry"]["neighbours"], sum(v.tensors[f"{a}.width"]) - 1)
    demand(len(near) == each * len(kept), "7.4", "the number of neighbours")
    out = []
    for place, feature in enumerate(kept):
        found = near[place * each : (place + 1) * each]
        ordered = [cosine(own[feature], row) for _, row in found]
        demand(ordered == sorted(ordered, reverse=True), "7.4", "the order of neighbours")
        demand(len({n for n, _ in found} | {feature}) == each + 1, "7.4", "a neighbour twice")
        for other, row in own.items():
            apart = other == feature or other in dict(found)
            demand(
                apart or cosine(own[feature], row) <= ordered[-1] + 1e-6, "7.4", "a nearer row"
            )
        for (name, _), near_by in zip(found, ordered, strict=True):
            fires = [{i for i, x in enumerate(pooled.column(f)) if x} for f in (feature, name)]
            out.append(
                {
                    "feature": feature,
                    "neighbour": name,
                    "kept": name in kept,
                    "cosine": float(f"{near_by:.6g}"),
                    "both": len(fires[0] & fires[1]),
                    "feature_alone": len(fires[0] - fires[1]),
                    "neighbour_alone": len(fires[1] - fires[0]),
                }
            )
    return out


def cosine(one: Row, other: Row) -> float:
    """The cosine of two rows."""
    return dot(one, other) / math.hypot(*one) / math.hypot(*other)


def drawn(v: Verifier, axis: Json, arms: Json) -> list[Json]:
    """Clause 13.6: the traced rows and positions."""
    a, evaluation = axis["id"], axis["claim"]["measure"]["evaluation"]
    asked, stream = v.plan["audit"], Stream(v.seed, f"{a}/traces")
    others = [
        arm["id"]
        for arm in arms["arms"]
        if arm["role"] not in UNEDITED and "layers" not in arm
        if (evaluation, arm["id"], "held_out") in v.cells
    ]
    target = f"{a}/target"
    pools = [
        v.rows_of(evaluation, target, "held_out"),
        [r for arm in others if arm != target for r in v.rows_of(evaluation, arm, "held_out")],
    ]
    halves = (-(-asked["rows"] // 2), asked["rows"] // 2)
    rows = [
        pool[i]
        for pool, half in zip(pools, halves, strict=True)
        for i in stream.sample(len(pool), min(half, len(pool)))
    ]
    return [
        {
            "axis": a,
            "evaluation": evaluation,
            "arm": row["arm"],
            "item": row["item"],
            "sample": row.get("sample", 0),
            "position": place,
            "token": "generated" if place >= first_generated(row) else "prompt",
        }
        for row in rows
        for place in sorted(stream.sample(row["edits"], min(asked["positions"], row["edits"])))
    ]


def first_generated(row: Json) -> int:
    """The first edited position that the model has generated; none: behind the last."""
    return int(row["edits"] - (row["tokens"] - 1 if "output" in row else 0))


def summary(v: Verifier, axis: Json, arms: Json, pooled: Pooled) -> Json:
    """The field `traces`; refuse traces that clauses 13.6 to 13.8 do not give."""
    if "audit" not in v.plan:
        return None
    a = axis["id"]
    own = [row for row in v.tables["traces"] if row["axis"] == a]
    demand(own == drawn(v, axis, arms), "13.6", "other rows or positions are traced")
    before, delta, after = (
        v.tensors.rows(f"{a}.trace_{n}") for n in ("before", "delta", "after")
    )
    stated = v.tensors.rows(f"{a}.trace_activations")
    again = activations(v, axis, before)
    edits, starts = _edits(v, axis, arms, pooled), _starts(v, a, arms, own, before)
    edit_gap = 0.0
    for n, row in enumerate(own):
        edit, columns = edits[row["arm"]]
        read = [stated[n][i] for i in columns]
        added, slack = edit(starts[n], read, [again[n][i] for i in columns])
        unit = UNIT[v.plan["model"]["dtype"]]
        _held(before[n], starts[n], delta[n], after[n], added, slack, unit)
        moves = [(s - b) + w for b, s, w in zip(before[n], starts[n], added, strict=True)]
        gap, size = math.dist(delta[n], moves), math.hypot(*added)
        edit_gap = max(edit_gap, gap / size if size else gap)
    _fits(v, before, after)
    _reported(v, own, (before, _rounded(v, starts), after), arms["arms"])
    gaps, crossed = _compared(stated, again)
    return {
        "rows": len({(r["arm"], r["item"], r["sample"]) for r in own}),
        "traces": len(own),
        "generated": sum(r["token"] == "generated" for r in own),
        "features": len(v.tensors[f"{a}.features"]),
        "edit_gap": float(f"{edit_gap:.2g}"),
        "activation_gap": float(f"{gaps:.2g}"),
        "at_threshold": crossed,
    }


def _edits(
    v: Verifier, axis: Json, arms: Json, pooled: Pooled
) -> dict[str, tuple[Edit, list[int]]]:
    """Every arm's edit, and the columns of its features among those published."""
    a, places = axis["id"], {f: i for i, f in enumerate(v.tensors[f"{axis['id']}.features"])}
    decoder = v.tensors.rows(f"{a}.w_dec")
    found = {}
    for arm, direction in zip(arms["arms"], arms["directions"], strict=True):
        candidate = candidates(axis)[arm.get("candidate", 0)]
        if candidate["positions"] != "all_but_bos":
            raise NotCovered("traces of edits at some tokens")
        columns = [places[f] for f in arm["features"]]
        largest = candidate["unit"] == "max_activation_multiple"
        units = [pooled.largest(f) if largest else 1.0 for f in arm["features"]]
        rows, where = [decoder[i] for i in columns], candidate.get("condition", "always")
        found[arm["id"]] = (edit_of(arm, direction, rows, units, where), columns)
    return found


def _starts(v: Verifier, a: str, arms: Json, own: list[Json], before: list[Row]) -> list[Row]:
    """Clause 13.7a: what is added to at each trace, the activation or its reconstruction."""
    dropping = {arm["id"] for arm in arms["arms"] if "error_policy" in arm}
    if not dropping:
        return before
    made, out = v.tensors.rows(f"{a}.trace_reconstruction"), []
    for row, m, b in zip(own, made, before, strict=True):
        drops = row["arm"] in dropping
        demand(drops or not any(m), "13.7a", "a reconstruction where there is none")
        out.append(m if drops else b)
    return out


def _rounded(v: Verifier, rows: list[Row]) -> list[Row]:
    """Clause 13.7a: rows rounded to the model's number format, of halves to even."""
    if v.plan["model"]["dtype"] == "float32":
        return rows
    return [tuple(_bfloat16(value) for value in row) for row in rows]


def _bfloat16(value: float) -> float:
    bits = int.from_bytes(struct.pack(">f", value), "big")
    low = bits & 0xFFFF
    bits += 0x10000 * (low > 0x8000 or (low == 0x8000 and bits >> 16 & 1)) - low
    return float(struct.unpack(">f", bits.to_bytes(4, "big"))[0])


def _fits(v: Verifier, *parts: list[Row]) -> None:
    """Clause 13.7: activations are numbers of the model's format."""
    for rows in parts:
        demand(_rounded(v, rows) == rows, "13.7", "numbers that bfloat16 does not hold")


def _held(
    before: Row, start: Row, delta: Row, after: Row, added: Row, slack: Row, unit: float
) -> None:
    """Clauses 13.7 and 13.7a, element by element."""
    for b, s, d, e, w, r in zip(before, start, delta, after, added, slack, strict=True):
        room = FLOAT32 * (abs(s) + abs(w) + abs(s - b)) + r
        demand(abs(d - (s - b) - w) <= room, "13.7", "another edit")
        room = unit * abs(e) + FLOAT32 * (abs(b) + abs(d))
        demand(abs(e - (b + d)) <= room, "13.7", "another sum")


def _reported(
    v: Verifier,
    own: list[Json],
    activations: tuple[list[Row], list[Row], list[Row]],
    arms: list[Json],
) -> None:
    """Clauses 13.7 and 13.7a: what the traced rows report of their edits."""
    before, starts, after = activations
    state = {arm["id"] for arm in arms if arm.get("operation", "add") != "add"}
    dropping = {arm["id"] for arm in arms if "error_policy" in arm}
    unit, share = (part[v.plan["model"]["dtype"]] for part in (UNIT, SHARE))
    groups: dict[tuple[str, str, int], list[int]] = {}
    for n, row in enumerate(own):
        groups.setdefault((row["arm"], row["item"], row["sample"]), []).append(n)
    for (arm, item, sample), places in groups.items():
        cell = v.rows_of(own[0]["evaluation"], arm, "held_out")
        row = next(r for r in cell if (r["item"], r.get("sample", 0)) == (item, sample))
        moved = math.fsum(math.dist(starts[n], after[n]) for n in places)
        norms = math.fsum(math.hypot(*before[n]) for n in places)
        u = unit * (4.0 if arm in dropping else 1.0)
        if arm in state and len(places) < row["edits"]:
            whole = row["edits"] * row["delta"] * (1.0 + share) + 2.0 * u * norms
            demand(moved <= whole, "13.7", "the row's delta")
        else:
            apart = abs(moved / len(places) - row["delta"])
            room = share * row["delta"] + u * (row["residual"] + norms / len(places))
            demand(apart <= room, "13.7", "the row's delta")
        whole = row["edits"] * row["residual"] * (1.0 + share)
        demand(norms <= whole, "13.7", "the row's residual")
        lost = [math.dist(before[n], starts[n]) for n in places if own[n]["token"] == "prompt"]
        axis = next(axis for axis in v.plan["axes"] if axis["id"] == own[0]["axis"])
        if any(lost) and "layers" not in v.dictionary(axis):
            _reconstructed(v, own[places[0]], math.fsum(lost))


def _reconstructed(v: Verifier, row: Json, lost: float) -> None:
    """Clause 13.7a: no more is dropped of a prompt than by the reconstruction arm."""
    if "turns" in v.evaluations[row["evaluation"]]["measure"]:
        raise NotCovered("dropped errors in scripts")
    arm, named = f"{row['axis']}/reconstruction", (row["item"], row["sample"])
    cell = v.rows_of(row["evaluation"], arm, "held_out")
    for one in (r for r in cell if (r["item"], r.get("sample", 0)) == named):
        demand(lost <= 1.05 * one["edits"] * one["delta"], "13.7a", "more dropped than made")


def activations(v: Verifier, axis: Json, read: list[Row]) -> list[list[Activation]]:
    """Clause 13.8, of JumpReLU and ReLU: every published feature at every trace."""
    a = axis["id"]
    dictionary = v.dictionary(axis)
    if not dictionary["equation"].startswith(("jumprelu.gs", "standard.", "crosscoder.")):
        raise NotCovered(f"activations of {dictionary['equation']}")
    rows, shift = v.tensors.rows(f"{a}.w_enc"), v.tensors[f"{a}.shift"]
    blocks = len(dictionary.get("layers", (0,)))
    parts = directions.parts(v.tensors[f"{a}.features"], v.tensors[f"{a}.width"])
    for read_by, added, part in zip(rows, v.tensors.rows(f"{a}.w_dec"), parts, strict=True):
        _reads_one_block(read_by, added, blocks)
        if "stacked" in dictionary:
            own = range(part * len(added) // blocks, (part + 1) * len(added) // blocks)
            outside = [
                i for row in (read_by, added) for i, w in enumerate(row) if w if i not in own
            ]
            demand(not outside, "13.8", "a feature in another block than its dictionary's")
    sizes = [[abs(w) for w in row] for row in rows]
    bias, scale = v.tensors[f"{a}.bias"], v.tensors[f"{a}.scale"]
    thresholds: Sequence[float] = v.tensors.get(f"{a}.threshold", (0.0,) * len(rows))
    demand(v.tensors[f"{a}.normalisation"] == (0,), "13.8", "a norm that gs families have not")
    out = []
    for h in read:
        x = [p - q for p, q in zip(h, shift, strict=True)]
        size_of_x, found = [abs(p) for p in x], []
        for f, threshold in enumerate(thresholds):
            value = dot(x, rows[f]) * scale[f] + bias[f]
            error = ROUNDING * (dot(size_of_x, sizes[f]) * abs(scale[f]) + abs(bias[f]))
            near = abs(value - threshold) <= error + ROUNDING * abs(threshold)
            sides = (max(value, 0.0), 0.0)
            exact, other = sides if value > threshold else sides[::-1]
            found.append(Activation(exact, other, error, near))
        out.append(found)
    return out


def _reads_one_block(read_by: Row, added: Row, blocks: int) -> None:
    """Clause 13.8 where there are `layers`: one block is read, and none before it written."""
    depth = len(read_by) // blocks
    read, written = (
        [b for b in range(blocks) if any(row[b * depth : (b + 1) * depth])]
        for row in (read_by, added)
    )
    if blocks > 1:
        demand(len(read) == 1, "13.8", "a feature that reads several blocks, or none")
        demand(min(written, default=blocks) >= read[0], "13.8", "a decoder to earlier blocks")


def _compared(stated: list[Row], again: list[list[Activation]]) -> tuple[float, int]:
    """The largest gap, and how many activations crossed their threshold."""
    worst, crossed = 0.0, 0
    for row, ones in zip(stated, again, strict=True):
        for said, one in zip(row, ones, strict=True):
            gap = abs(said - one.exact)
            if one.near:
                crossed += gap > one.error
                gap = min(gap, abs(said - one.other))
            demand(gap <= one.error, "13.8", f"an activation of {said}")
            worst = max(worst, gap)
    every = sum(map(len, stated))
    demand(100 * crossed <= every, "13.8", "too many at their threshold")
    return worst, crossed
