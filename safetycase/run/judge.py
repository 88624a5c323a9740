"""A judge is asked: every different prompt once, whatever arm its answer came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from safetycase.canonical import JsonValue
from safetycase.digest import sha256_hex
from safetycase.record.plan import Sampling
from safetycase.record.planned_evaluation import Evaluation, Judge
from safetycase.run.edit import BASELINE_EDIT
from safetycase.run.engines.local import InProcess
from safetycase.run.generate import GenerationSettings, generate, text_of
from safetycase.run.model import LoadedModel
from safetycase.run.progress import Progress
from safetycase.run.prompts import Prompt, encode, in_tokens
from safetycase.run.reshape import Head, marked, rows_alone
from safetycase.run.shrink import Batches, parts_that_fit
from safetycase.run.units import Store, Unit

_LIKELIEST = Sampling(temperature=0.0, top_k=1)


@dataclass(frozen=True)
class JudgeOnHand:
    """A judge in memory, and the identity of its weights."""

    model: LoadedModel
    tensor_root: str


def said_by(
    judge: Judge,
    model: LoadedModel,
    evaluation: Evaluation,
    prompts: Sequence[str],
    *,
    environment: Mapping[str, JsonValue],
    batch_rows: int,
    store: Store,
    progress: Progress,
    noted: Callable[[Sequence[bytes]], None],
) -> dict[str, str]:
    """What the judge says to each different prompt; finished units are not asked again.

    `noted` is given the units' results, of which some may be in smaller batches than planned.

    Prompts are read as plain text: what is judged may spell special tokens, to end its own turn
    or to begin the judge's.
    """
    where = f"judge of {evaluation.id}"
    room = judge.max_new_tokens
    coded = {
        text: encode(model, text, where=where, room=room, literal=True, plain=True)
        for text in dict.fromkeys(prompts)
    }
    ordered = sorted(coded, key=lambda text: (len(coded[text]), text))
    parts = [ordered[n : n + batch_rows] for n in range(0, len(ordered), batch_rows)]
    units = [
        Unit(
            specification={
                "judge": judge.spelled(),
                "prompts": [sha256_hex(text.encode()) for text in part],
                "environment": dict(environment),
            },
            rows=len(part),
            work=partial(_asked, judge, model, [coded[text] for text in part], where),
        )
        for part in parts
    ]
    progress.begin(f"asking the {where}", len(ordered))
    results = InProcess().run_units(units, store, progress)
    noted(results)
    texts = [msgspec.json.decode(rows_alone(result), type=list[str]) for result in results]
    said = [text for part in texts for text in part]
    return dict(zip(ordered, said, strict=True))


def _asked(judge: Judge, model: LoadedModel, prompts: Sequence[Prompt], where: str) -> bytes:
    settings = GenerationSettings(_LIKELIEST, judge.max_new_tokens)
    sizes = [len(prompts)]

    def said(part: Sequence[Prompt]) -> list[str]:
        answers = generate(model, part, [0] * len(part), [BASELINE_EDIT], {}, settings)
        return [text_of(model, answer) for [answer] in answers]

    batches = Batches(len(prompts), sizes.append, where)
    parts = parts_that_fit(prompts, batches, said, in_tokens)
    texts = [text for _, found in parts for text in found]
    head = Head(sizes[-1] if sizes[1:] else None)
    return marked(msgspec.json.encode(texts), head)
