"""The names of the equations by which dictionaries encode and decode."""

from __future__ import annotations

from typing import Literal

Equation = Literal[
    "jumprelu.gs2",
    "transcoder.jumprelu.gs2",
    "transcoder.jumprelu.affine.gs2",
    "jumprelu.gs1",
    "transcoder.jumprelu.gs1",
    "standard.saelens",
    "gated.saelens",
    "jumprelu.saelens",
    "topk.saelens",
    "batchtopk.saelens",
    "transcoder.relu.saelens",
    "transcoder.relu.skip.saelens",
    "transcoder.jumprelu.saelens",
    "transcoder.jumprelu.skip.saelens",
    "standard.saelens5",
    "gated.saelens5",
    "jumprelu.saelens5",
    "topk.saelens5",
    "topk.sparsify",
    "groupmax.sparsify",
    "transcoder.topk.sparsify",
    "transcoder.groupmax.sparsify",
    "transcoder.topk.skip.sparsify",
    "transcoder.groupmax.skip.sparsify",
    "transcoder.relu.ct",
    "transcoder.relu.skip.ct",
    "transcoder.jumprelu.ct",
    "transcoder.jumprelu.skip.ct",
    "transcoder.topk.ct",
    "transcoder.topk.skip.ct",
    "jumprelu.llamascope",
    "transcoder.jumprelu.llamascope",
    "jumprelu.llamascope_r1",
    "topk.qwenscope",
]
"""A family of files and the equation that they are computed by; the last part is the family."""
