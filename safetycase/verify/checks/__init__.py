"""All checks, one file a family; ids are never reused."""

from __future__ import annotations

from collections.abc import Mapping

from safetycase.verify.check import Check, Family
from safetycase.verify.checks import (
    beside,
    claims,
    container,
    controls,
    design,
    encoding,
    evidence,
    features,
    forensics,
    governance,
    graders,
    integrity,
    intervention,
    ordering,
    provenance,
    reexecution,
    rendering,
    schema,
    signature,
    statistics,
    traces,
)

FAMILIES: tuple[Family, ...] = (
    container.FAMILY,
    encoding.FAMILY,
    integrity.FAMILY,
    signature.FAMILY,
    schema.FAMILY,
    provenance.FAMILY,
    ordering.FAMILY,
    reexecution.FAMILY,
    governance.FAMILY,
    design.FAMILY,
    evidence.FAMILY,
    graders.FAMILY,
    statistics.FAMILY,
    controls.FAMILY,
    beside.FAMILY,
    forensics.FAMILY,
    features.FAMILY,
    intervention.FAMILY,
    traces.FAMILY,
    claims.FAMILY,
    rendering.FAMILY,
)


def all_checks() -> Mapping[str, Check]:
    """Every check by its id, family by family."""
    return {name: check for family in FAMILIES for name, check in family.checks.items()}
