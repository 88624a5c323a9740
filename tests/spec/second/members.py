"""Clauses 7.4a and 12.1a: what is edited with the kept features."""

from tests.spec.second.container import demand
from tests.spec.second.directions import Pooled
from tests.spec.second.json_types import Json
from tests.spec.second.traces import cosine
from tests.spec.second.verifier import Verifier


def members_of(v: Verifier, axis: Json, search: Json, pooled: Pooled) -> list[Json] | None:
    """The members that the kept features bring in; none without the rule."""
    rule, a = axis["selection"].get("groups"), axis["id"]
    if rule is None:
        return None
    kept = [f["feature"] for f in search["features"]]
    found = [one for f in kept for one in _companions(pooled, f, kept, rule["co_firing"])]
    named, stated = list(v.tensors[f"{a}.group_features"]), v.tensors[f"{a}.group_cosines"]
    demand(named == [one["member"] for one in found], "7.4a", "the companions")
    rows = dict(zip(v.tensors[f"{a}.features"], v.tensors.rows(f"{a}.w_dec"), strict=True))
    out = []
    for one, published in zip(found, stated, strict=True):
        one["cosine"] = published
        if one["member"] in rows:
            again = cosine(rows[one["feature"]], rows[one["member"]])
            demand(abs(again - published) <= 2e-6, "7.4a", "a cosine")
    for feature in kept:
        near = [o for o in found if o["feature"] == feature and o["cosine"] >= rule["cosine"]]
        near.sort(key=lambda one: (-one["cosine"], one["member"]))
        out += near[: rule["at_most"]]
    return out


def _companions(pooled: Pooled, feature: int, kept: list[int], share: float) -> list[Json]:
    own, out = set(pooled.columns.get(feature, ())), []
    for other in sorted(pooled.columns.keys() - set(kept)):
        theirs = set(pooled.columns[other])
        if len(own & theirs) / len(own | theirs) >= share:
            counts = {"both": len(own & theirs), "feature_alone": len(own - theirs)}
            counts |= {"member_alone": len(theirs - own)}
            out.append({"feature": feature, "member": other} | counts)
    return out
