"""A dictionary that computes: encodes, decodes, and tells what each feature adds.

Small parts are on the device at once, matrices when they are first multiplied by; the rows and
columns of a few features are read alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch

from safetycase.methods.encode import NORMALISATIONS
from safetycase.methods.sites import Place, Where, places_of
from safetycase.record.equations import Equation
from safetycase.run.dictionaries import activations
from safetycase.run.dictionaries.numbers import Numbers
from safetycase.run.dictionaries.specification import Form, Specification

_EPSILON = 1e-5
_ROWS_AT_ONCE = 4096


class Dictionary:
    """Features of one place of a model, and what they write at one place.

    Activations x are [..., depth], features [..., width], both float32 on the device.
    """

    def __init__(self, name: str, specification: Specification, device: torch.device) -> None:
        """Read the small parts; the matrices stay where they are."""
        self.id = name
        self.specification = specification
        self._device = device
        self._small = {
            part: self._load(numbers)
            for part, numbers in specification.tensors.items()
            if part not in ("encoder", "decoder", "skip")
        }
        if specification.form.rescaled:
            self._small["row_norms"] = self._norms()

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._device

    @property
    def equation(self) -> Equation:
        """The equation that it computes."""
        return self.specification.equation

    @property
    def reads(self) -> Where:
        """Where it reads."""
        return self.specification.reads

    @property
    def writes(self) -> Where:
        """Where it writes; edits with its decoder rows apply there."""
        return self.specification.writes

    @property
    def width(self) -> int:
        """Number of features."""
        return self.specification.width

    @property
    def widths(self) -> tuple[int, ...]:
        """The same, dictionary by dictionary where several are taken as one."""
        return (self.width,)

    @property
    def declared_l0(self) -> float:
        """Mean number of active features a token, as its makers say."""
        return self.specification.declared_l0

    @property
    def model_width(self) -> int:
        """Width of the activation that it reads, and of that which it writes."""
        return self.specification.depth

    @property
    def scales_by_token(self) -> bool:
        """Whether what a feature adds has each token's own length, and not its row's."""
        return self._form.undone and self._form.normalisation != "none"

    def preactivations(self, x: torch.Tensor) -> torch.Tensor:
        """What the activation function is given, of all features."""
        return self._biased(self._input(x) @ self._encoder, self._small)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations of all features."""
        return self._activated(self._input(x) @ self._encoder, self._small)

    def encode_chosen(self, x: torch.Tensor, features: Sequence[int]) -> torch.Tensor:
        """Activations of some features [..., features].

        The others' weights are not read, unless features are compared with each other.
        """
        chosen = list(features)
        if self._form.compares_features:
            return self.encode(x)[..., chosen]
        small = {
            part: values[chosen] if values.ndim and part != "b_dec" else values
            for part, values in self._small.items()
        }
        return self._activated(self._input(x) @ self._encoder_columns(chosen), small)

    def decode(self, f: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """What the features add up to, given also what was read: a skip term needs it."""
        scaled = f / self._row_norms if self._form.rescaled else f
        made = self._unnormalised(scaled @ self._decoder + self._small["b_dec"], x)
        return made if self._skip is None else made + x.float() @ self._skip

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """What it makes of the activations that it reads."""
        return self.decode(self.encode(x), x)

    def made_of(
        self, given: Mapping[Place, torch.Tensor], features: list[torch.Tensor]
    ) -> torch.Tensor:
        """What it makes, in the block that was read last, of what it read up to there.

        `features` are those of the blocks before, as far as they were asked for in this pass;
        what is new is put behind them.
        """
        [read] = places_of(self.reads)
        features.append(self.encode(given[read]))
        return self.decode(features[-1], given[read])

    def chosen_at(
        self, given: Mapping[Place, torch.Tensor], features: Sequence[int]
    ) -> torch.Tensor:
        """Activations of some features [..., features], all known from what was read by then.

        The features of `known_at` are.
        """
        [read] = places_of(self.reads)
        return self.encode_chosen(given[read], features)

    def known_at(self, place: Place, features: Sequence[int]) -> list[int]:
        """Which of these, by number, add to a place that it writes: what they read is known."""
        [read] = places_of(self.reads)
        return list(range(len(features))) if read.order <= place.order else []

    def error(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """What it leaves unexplained of y, the activations at the place where it writes."""
        return y.float() - self.reconstruct(x)

    def decoder_rows(self, features: Sequence[int]) -> np.ndarray:
        """What one unit of each feature adds where it writes, float32 [features, depth].

        Where the input is normalised this is its direction; the length is each token's own.
        """
        rows = self.specification.tensors["decoder"].rows(list(features))
        if self._form.rescaled:
            rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return np.ascontiguousarray(rows, dtype=np.float32)

    def slices(self, features: Sequence[int]) -> dict[str, np.ndarray]:
        """What `methods.encode` needs of some features; parts without a use are neutral."""
        chosen, form = list(features), self._form
        columns = self.specification.tensors["encoder"].columns(chosen)
        small = {part: values.cpu().numpy() for part, values in self._small.items()}
        per_feature = {
            part: values[chosen] if values.ndim else np.full(len(chosen), values)
            for part, values in small.items()
            if part != "b_dec"
        }
        scale, bias = np.ones(len(chosen)), per_feature.get("b_enc")
        if form.activation == "gated":
            scale, bias = np.exp(per_feature["r_mag"]), per_feature["b_mag"]
        elif form.rescaled:
            scale = per_feature["row_norms"]
            bias = per_feature["b_enc"] * scale
        parts = {
            "w_enc": columns.T,
            "bias": bias,
            "scale": scale,
            "shift": small["b_dec"] * form.subtract_b_dec,
            "threshold": per_feature.get("threshold"),
            "b_gate": per_feature.get("b_gate"),
        }
        number = NORMALISATIONS.index(form.normalisation)
        return {"normalisation": np.array([number], dtype=np.int64)} | {
            part: np.ascontiguousarray(values, dtype=np.float32)
            for part, values in parts.items()
            if values is not None
        }

    def transposed_skip(self) -> Dictionary:
        """The same with its skip term turned round: what a wrong reading would compute."""
        skip = self.specification.tensors["skip"]
        tensors = {**self.specification.tensors, "skip": skip.turned()}
        return Dictionary(
            self.id,
            Specification(**{**vars(self.specification), "tensors": tensors}),
            self._device,
        )

    @property
    def _form(self) -> Form:
        return self.specification.form

    def _input(self, x: torch.Tensor) -> torch.Tensor:
        given = x.float()
        if self._form.normalisation == "layer_norm":
            mean, deviation = _moments(given)
            given = (given - mean) / (deviation + _EPSILON)
        elif self._form.normalisation == "constant_norm":
            given = given * self._to_constant_norm(given)
        return given - self._small["b_dec"] if self._form.subtract_b_dec else given

    def _unnormalised(self, made: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """What was decoded, scaled back as the input was scaled."""
        if not self._form.undone or self._form.normalisation == "none":
            return made
        if self._form.normalisation == "layer_norm":
            mean, deviation = _moments(x.float())
            return made * deviation + mean
        return made / self._to_constant_norm(x.float())

    def _to_constant_norm(self, x: torch.Tensor) -> torch.Tensor:
        lengths = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scales: torch.Tensor = math.sqrt(self.model_width) / lengths
        return scales

    def _biased(self, product: torch.Tensor, small: Mapping[str, torch.Tensor]) -> torch.Tensor:
        if self._form.activation == "gated":
            return product * small["r_mag"].exp() + small["b_mag"]
        h = product + small["b_enc"]
        return h * small["row_norms"] if self._form.rescaled else h

    def _activated(
        self, product: torch.Tensor, small: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        h = self._biased(product, small)
        match self._form.activation:
            case "relu":
                return activations.relu(h)
            case "jump_relu":
                return activations.jump_relu(h, small["threshold"])
            case "gated":
                return activations.gated(product + small["b_gate"], h)
            case "top_k":
                return activations.top_k(h, self._form.k)
            case "top_k_signed":
                return activations.top_k_signed(h, self._form.k)
            case "group_max":
                return activations.group_max(h, self._form.k)

    def _load(self, numbers: Numbers) -> torch.Tensor:
        values = np.ascontiguousarray(numbers.whole()).reshape(numbers.shape)
        return torch.from_numpy(values).to(self._device)

    @cached_property
    def _encoder(self) -> torch.Tensor:
        return self._load(self.specification.tensors["encoder"])

    @cached_property
    def _decoder(self) -> torch.Tensor:
        return self._load(self.specification.tensors["decoder"])

    @property
    def _row_norms(self) -> torch.Tensor:
        return self._small["row_norms"]

    def _norms(self) -> torch.Tensor:
        """Norm of every decoder row, a few thousand rows at a time."""
        decoder, norms = self.specification.tensors["decoder"], []
        for start in range(0, self.width, _ROWS_AT_ONCE):
            rows = decoder.rows(range(start, min(start + _ROWS_AT_ONCE, self.width)))
            norms.append(np.linalg.norm(rows, axis=1))
        return torch.from_numpy(np.concatenate(norms)).to(self._device)

    @cached_property
    def _skip(self) -> torch.Tensor | None:
        skip = self.specification.tensors.get("skip")
        return None if skip is None else self._load(skip)

    def _encoder_columns(self, features: list[int]) -> torch.Tensor:
        if "_encoder" in self.__dict__:
            return self._encoder[:, features]
        columns = self.specification.tensors["encoder"].columns(features)
        return torch.from_numpy(np.ascontiguousarray(columns)).to(self._device)


def _moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation (n - 1) over the last axis."""
    mean = x.mean(-1, keepdim=True)
    return mean, (x - mean).std(-1, keepdim=True)
