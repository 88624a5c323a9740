"""A wholly valid, signed case of the kit's toy with as many scored rows as asked for.

Rows are drawn as columns, so that ten million take minutes; every figure is derived from them
by the functions of `methods`, as the runner does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.bundle.tensors import write_tensors
from safetycase.bundle.writer import write_case
from safetycase.digest import FileDigest, hash_file, sha256_hex
from safetycase.envelope.dsse import write_envelope
from safetycase.envelope.statement import write_statement
from safetycase.methods import arms as planned
from safetycase.methods.grade import regrade
from safetycase.methods.grid import cells
from safetycase.record.plan import Plan
from safetycase.sign.signer import sign_payload
from safetycase.tables.codec import encode_rows, header, write_table
from safetycase.tables.columns import Answers, Texts
from safetycase.tables.evidence import Evidence, Items
from safetycase.tables.rows import path_of
from tests.kit import toy_lab, toy_record
from tests.kit.builder import keys, policy
from tests.kit.toy_plan import MODEL_FILES, manifest_of, toy_plan
from tests.kit.toy_world import STEMS, ToyWorld, six

CONTROLS = 199
_SHARE_HELD_OUT = 0.4
_LETTERS = ("forward_matching", "forward_other", "swapped_matching", "swapped_other")
_WRITTEN_AT_ONCE = 50_000
QUIZ = "quiz"
_BESIDE_ANSWERS = ("label_words", "label_checks", "traces", "human_labels", "dictionary_texts")


class ManyRows(toy_lab.Lab):
    """The kit's lab, but for its two-choice questions, which are answered as columns."""

    @override
    def answered(
        self, evidence: Evidence, specs: Mapping[str, list[planned.ArmSpec]]
    ) -> Evidence:
        few = [row for row in evidence.items.rows if row.dataset != "quiz_items"]
        others = super().answered(replace(evidence, items=Items(few), answers={}), specs)
        choices = dict(self._choices(evidence, specs))
        return regrade(self.plan, replace(evidence, answers={**others.answers, **choices}))

    def _choices(
        self, evidence: Evidence, specs: Mapping[str, list[planned.ArmSpec]]
    ) -> Iterator[tuple[tuple[str, str], Answers]]:
        edits = {"baseline": (0.0, 0.0)}
        for axis in self.plan.axes:
            rows = planned.directions(self.plan, axis, specs[axis.id], evidence)
            for spec, row in zip(specs[axis.id], rows, strict=True):
                shift = 0.05 * spec.coefficient * float(row[:4].sum())
                size = 2.5 if spec.role == "reconstruction" else abs(spec.coefficient)
                edits[spec.id] = (shift, six(size))
        splits: dict[str, list[str]] = {}
        for cell in cells(self.plan):
            if cell.evaluation == QUIZ and cell.arm in edits:
                splits.setdefault(cell.arm, []).append(cell.split)
        names = [row.item for row in evidence.items.rows if row.dataset == "quiz_items"]
        item = Texts.of(names)
        places = {name: place for place, name in enumerate(names)}
        for arm, of_arm in splits.items():
            asked = [
                places[row.item]
                for split in of_arm
                for row in evidence.items.of("quiz_items", split)
            ]
            yield (QUIZ, arm), self._cell(arm, item.take(np.array(asked)), *edits[arm])

    def _cell(self, arm: str, item: Texts, shift: float, size: float) -> Answers:
        """Answers of one arm; what is drawn depends on the item alone."""
        rows = len(item)
        rng = np.random.default_rng([self.toy.seed, 9])
        drawn = rng.uniform(size=(4, len(item.vocabulary)))[:, item.codes]
        odds = np.where(drawn[0] < 0.85, 1.0, -1.0) * (2.0 + drawn[1]) + shift
        bias = 0.6 * (drawn[2] - 0.5)
        held: dict[str, Any] = {
            "evaluation": Texts.of([QUIZ] * rows),
            "arm": Texts.of([arm] * rows),
            "item": item,
        }
        for sign, (first, second) in zip(
            (1.0, -1.0), (_LETTERS[:2], _LETTERS[2:]), strict=True
        ):
            p = 0.98 / (1.0 + np.exp(-(odds + sign * bias)))
            held[first], held[second] = _six(np.log(p)), _six(np.log(0.98 - p))
        is_bare = arm == "baseline"
        held["edits"] = np.full(rows, 0 if is_bare else 12, dtype=np.int32)
        held["delta"] = np.full(rows, size)
        held["residual"] = np.zeros(rows) if is_bare else np.round(8.0 + drawn[3], 5)
        held["outcome"] = Texts.of([""] * rows)
        return Answers("choices", held, range(2, 2 + rows))


def _six(figures: np.ndarray) -> np.ndarray:
    """Figures as the runner publishes them: six significant digits; none is zero."""
    scale = 10.0 ** (5 - np.floor(np.log10(np.abs(figures))))
    return np.round(figures * scale) / scale


class _Counted(list[Any]):
    """Stands for a table whose rows are elsewhere."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self._rows = rows

    @override
    def __len__(self) -> int:
        return self._rows


def write_many_rows(path: Path, policy_path: Path, rows: int) -> None:
    """The case stands at `path`, with about so many rows of choices, beside its policy."""
    plan = toy_plan()
    plan["controls"] |= {"random_live_features": CONTROLS, "random_directions": CONTROLS}
    data = canonical.write(plan)
    frozen = Plan.model_validate_json(data)
    arms = sum(cell.evaluation == QUIZ for cell in cells(frozen)) - 3
    lab = ManyRows(frozen, sha256_hex(data), ToyWorld(7))
    evidence = lab.measure(lab.items(120, round(rows / (1.0 + _SHARE_HELD_OUT * arms))))
    choices = {key: rows for key, rows in evidence.answers.items() if key[0] == QUIZ}
    tables: dict[str, list[Any]] = {"items": list(evidence.items.rows)}
    for cell in cells(frozen):
        names = {item.item for item in evidence.items.of(cell.dataset, cell.split)}
        given = evidence.answers[cell.evaluation, cell.arm]
        if cell.evaluation != QUIZ:
            kept = tables.setdefault(given.kind, [])
            kept += [row for row in given if row.item in names]
    for kind in _BESIDE_ANSWERS:
        tables[kind] = list(getattr(evidence, kind))
    tables = {kind: held for kind, held in tables.items() if held}
    counted = {**tables, "choices": _Counted(sum(map(len, choices.values())))}
    files: dict[str, dict[str, np.ndarray]] = {}
    for name, array in evidence.tensors.items():
        files.setdefault(STEMS[name.rpartition(".")[2]], {})[name] = array
    head = {"plan_digest": sha256_hex(data)}
    record = toy_record._record(lab, evidence, counted, ship=True) | head
    members: dict[str, bytes | Path] = {
        "case.json": canonical.write(record),
        "plan.json": data,
        **{path_of(kind): write_table(kind, held) for kind, held in tables.items()},
        **{f"evidence/{stem}.safetensors": write_tensors(held) for stem, held in files.items()},
    }
    with tempfile.NamedTemporaryFile(dir=path.parent) as table:
        _write_choices(Path(table.name), choices)
        members[path_of("choices")] = Path(table.name)
        digests = [
            hash_file(held, name=name) if isinstance(held, Path) else FileDigest.of(name, held)
            for name, held in members.items()
        ]
        payload = write_statement(manifest_of(MODEL_FILES), digests)
        envelope = write_envelope(sign_payload(payload, keys()))
        write_case(path, members | {layout.CASE_STATEMENT_NAME: envelope})
    lenient = policy(must_hold="none").spelled()
    policy_path.write_bytes(canonical.write(lenient))


def _write_choices(path: Path, choices: Mapping[tuple[str, str], Answers]) -> None:
    with path.open("wb") as file:
        file.write(header("choices") + b"\n")
        for answers in choices.values():
            for start in range(0, len(answers), _WRITTEN_AT_ONCE):
                file.write(encode_rows(answers[start : start + _WRITTEN_AT_ONCE]))
