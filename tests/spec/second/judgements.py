"""Clause 11.2e: what a judge was shown, and what it said."""

from tests.spec.second.container import demand, sha256
from tests.spec.second.json_types import Json


def judgements(
    tables: dict[str, list[Json]], evaluations: dict[str, Json]
) -> dict[tuple[str, str, str, int], str]:
    """What the judge said of every answer; refuse rows out of place."""
    rows, places, texts = tables.get("judgements", []), [], []
    prompts = {(i["dataset"], i["item"]): i["prompt"] for i in tables["items"]}
    for row in tables.get("generations", []):
        measure = evaluations[row["evaluation"]]["measure"]
        if "judge" in measure:
            dataset = evaluations[row["evaluation"]]["dataset"]
            request = prompts[dataset, row["item"]]
            places.append((row["evaluation"], row["arm"], row["item"], row.get("sample", 0)))
            texts.append(_put(measure["judge"]["prompt"], request, row["output"]))
    for evaluation in evaluations.values():
        measure = evaluation["measure"]
        for n, gold in enumerate(measure.get("gold", []) if "judge" in measure else []):
            places.append((evaluation["id"], "gold", f"gold-{n:03}", 0))
            texts.append(
                _put(measure["judge"]["prompt"], gold.get("request", ""), gold["text"])
            )
    found = [(r["evaluation"], r["arm"], r["item"], r["sample"]) for r in rows]
    demand(found == places, "11.2e", "judgements in other places than the answers")
    said: dict[tuple[str, str], str] = {}
    for row, text in zip(rows, texts, strict=True):
        demand(row["prompt"] == sha256(text.encode()), "11.2e", "the prompt of a judgement")
        same = said.setdefault((row["evaluation"], row["prompt"]), row["raw"])
        demand(same == row["raw"], "11.2e", "two judgements of one text")
    return {place: row["raw"] for place, row in zip(places, rows, strict=True)}


def _put(prompt: str, request: str, answer: str) -> str:
    """Both are replaced once, together: neither is looked for in the other."""
    places = sorted((prompt.find(name), name) for name in ("{request}", "{answer}"))
    new, at = "", 0
    for place, name in places:
        if place >= 0:
            new += prompt[at:place] + (request if name == "{request}" else answer)
            at = place + len(name)
    return new + prompt[at:]
