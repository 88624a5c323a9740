"""Dictionaries in the layout of Gemma Scope 2: one residual site, JumpReLU, float32.

Equation `jumprelu.gs2`: z = x·W_enc + b_enc; f = relu(z)·1[z > threshold]; x̂ = f·W_dec + b_dec.
Inputs are not scaled, and b_dec is not taken off before encoding. Source: the Gemma Scope 2
tutorial and its published files. Transcoders, crosscoders, affine terms and other sites are
refused: no default is guessed for what is not known here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from safetycase import canonical
from safetycase.canonical import JsonValue, as_count, as_object, as_text
from safetycase.errors import RunFailed, SchemaViolation

REQUIRED = ("model_name", "architecture", "type", "hf_hook_point_in", "width", "l0")
OPTIONAL = ("hf_hook_point_out", "affine_connection")
TENSORS = ("b_dec", "b_enc", "threshold", "w_dec", "w_enc")
UNIT_NORM_TOLERANCE = 0.01
_HOOK = re.compile(r"model\.layers\.(\d+)\.output")


@dataclass(frozen=True)
class DictionaryConfig:
    """What config.json says."""

    model_name: str
    hook: str
    layer: int
    width: int
    declared_l0: float


@dataclass(frozen=True)
class Dictionary:
    """A dictionary on a device: encoder [d, width], decoder [width, d], biases, thresholds."""

    id: str
    config: DictionaryConfig
    w_enc: torch.Tensor
    w_dec: torch.Tensor
    b_enc: torch.Tensor
    b_dec: torch.Tensor
    threshold: torch.Tensor

    @property
    def model_width(self) -> int:
        """Width of the activation it reads."""
        return int(self.w_enc.shape[0])

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations of all features on residuals [..., d], float32 [..., width]."""
        return _jump_relu(x.float() @ self.w_enc + self.b_enc, self.threshold)

    def encode_chosen(self, x: torch.Tensor, features: list[int]) -> torch.Tensor:
        """Activations of some features on residuals [..., d], float32 [..., features]."""
        z = x.float() @ self.w_enc[:, features] + self.b_enc[features]
        return _jump_relu(z, self.threshold[features])

    def decode(self, f: torch.Tensor) -> torch.Tensor:
        """Residuals that the features [..., width] add up to, float32 [..., d]."""
        return f @ self.w_dec + self.b_dec

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """What the dictionary explains of residuals [..., d], float32."""
        return self.decode(self.encode(x))

    def decoder_rows(self, features: list[int]) -> np.ndarray:
        """Decoder rows of some features, float32 [features, d]."""
        return self.w_dec[features].cpu().numpy()


def _jump_relu(z: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    return torch.relu(z) * (z > threshold)


def load_dictionary(name: str, folder: Path, *, layer: int, device: torch.device) -> Dictionary:
    """The dictionary of a folder with config.json and params.safetensors, every part checked.

    Refuses unknown kinds, another layer than planned, wrong names or shapes of tensors, NaN,
    thresholds below zero (where the equation's two readings differ) and decoder rows that are
    not of unit norm (a coefficient would not be a length).
    """
    where = f"dictionary {name}"
    config = _read_config(
        canonical.read((folder / "config.json").read_bytes(), where=where), where
    )
    if config.layer != layer:
        raise RunFailed(
            where, f"activations of block {layer}, as planned", found=f"hook {config.hook}"
        )
    arrays = _read_tensors(folder / "params.safetensors", where)
    _check(arrays, config, where)
    parts = {key: torch.from_numpy(array).to(device) for key, array in arrays.items()}
    return Dictionary(id=name, config=config, **parts)


def _read_config(value: JsonValue, where: str) -> DictionaryConfig:
    fields = as_object(
        value, where=f"{where} config.json", required=REQUIRED, optional=OPTIONAL
    )
    hook = as_text(fields["hf_hook_point_in"], where=f"{where} hf_hook_point_in")
    site = _HOOK.fullmatch(hook)
    known = {
        "architecture": fields["architecture"] == "jump_relu",
        "type": fields["type"] == "sae",
        "hf_hook_point_in": site is not None,
        "hf_hook_point_out": fields.get("hf_hook_point_out") in (None, hook),
        "affine_connection": fields.get("affine_connection") in (None, False),
    }
    for key, is_known in known.items():
        if not is_known:
            expected = f"a resid_post SAE of jump_relu architecture: {key}"
            raise RunFailed(where, expected, found=str(fields.get(key)))
    l0 = fields["l0"]
    if isinstance(l0, bool) or not isinstance(l0, (int, float)) or l0 <= 0:
        raise SchemaViolation(f"{where} l0", "a number above 0", found=str(l0))
    return DictionaryConfig(
        model_name=as_text(fields["model_name"], where=f"{where} model_name"),
        hook=hook,
        layer=int(site.group(1)) if site else 0,
        width=as_count(fields["width"], where=f"{where} width"),
        declared_l0=float(l0),
    )


def _read_tensors(file: Path, where: str) -> dict[str, np.ndarray]:
    try:
        with safe_open(file, framework="numpy") as opened:
            names = sorted(opened.keys())
            if names != sorted(TENSORS):
                raise RunFailed(where, ", ".join(TENSORS), found=", ".join(names))
            return {name: opened.get_tensor(name) for name in names}
    except (OSError, SafetensorError) as error:
        raise RunFailed(where, "a safetensors file", found=str(error)) from None


def _check(arrays: dict[str, np.ndarray], config: DictionaryConfig, where: str) -> None:
    width, depth = config.width, arrays["b_dec"].shape[-1]
    shapes = {
        "w_enc": (depth, width),
        "w_dec": (width, depth),
        "b_enc": (width,),
        "b_dec": (depth,),
        "threshold": (width,),
    }
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != shape or array.dtype != np.float32:
            found = f"{array.dtype} {array.shape}"
            raise RunFailed(f"{where} {name}", f"float32 {shape}", found=found)
        if not np.isfinite(array).all():
            raise RunFailed(f"{where} {name}", "finite numbers", found="NaN or infinity")
    if (arrays["threshold"] < 0).any():
        found = str(arrays["threshold"].min())
        raise RunFailed(f"{where} threshold", "thresholds of at least 0", found=found)
    norms = np.linalg.norm(arrays["w_dec"], axis=1)
    worst = float(np.abs(norms - 1).max())
    if worst > UNIT_NORM_TOLERANCE:
        expected = "decoder rows of unit norm (a transposed decoder has none)"
        raise RunFailed(f"{where} w_dec", expected, found=f"off by {worst:.3g}")


def require_fit(
    dictionary: Dictionary, *, model_name: str, model_width: int, where: str
) -> None:
    """Return only if the dictionary was made for this model, by its name and its width."""
    made_for, given = _name_parts(dictionary.config.model_name), _name_parts(model_name)
    if given[: len(made_for)] != made_for or ("it" in given) != ("it" in made_for):
        expected = f"a dictionary of {model_name}"
        raise RunFailed(where, expected, found=f"one of {dictionary.config.model_name}")
    if dictionary.model_width != model_width:
        found = str(dictionary.model_width)
        raise RunFailed(where, f"activations of width {model_width}", found=found)


def _name_parts(name: str) -> list[str]:
    """The words of a model's name without its owner; `pt` and `v` of `v3` say nothing."""
    bare = name.rpartition("/")[2].lower().replace("-v3", "-3")
    return [part for part in re.split(r"[^a-z0-9]+", bare) if part and part != "pt"]
