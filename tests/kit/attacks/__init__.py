"""The attacks, one file a family; importing this package registers them all."""

from __future__ import annotations

from tests.kit.attacks import (
    beside,
    claims,
    container,
    controls,
    design,
    encoding,
    evidence,
    features,
    forensics,
    forgers,
    governance,
    graders,
    integrity,
    intervention,
    omission,
    page,
    provenance,
    replay,
    schema,
    signature,
    statistics,
    traces,
)

FAMILIES = (
    container,
    encoding,
    integrity,
    signature,
    schema,
    provenance,
    governance,
    design,
    omission,
    evidence,
    graders,
    statistics,
    forensics,
    features,
    intervention,
    controls,
    traces,
    claims,
    beside,
    page,
    replay,
    forgers,
)
"""The modules, from the outermost layer of a case inwards."""
