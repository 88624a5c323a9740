"""The names of the equations by which dictionaries encode and decode."""

from __future__ import annotations

from typing import Literal

Equation = Literal[
    "jumprelu.gs2",
    "transcoder.jumprelu.gs2",
    "transcoder.jumprelu.affine.gs2",
]
"""A family of files and the equation that they are computed by; the last part is the family."""
