"""A dictionary that computes: encodes, decodes, and tells what each feature adds.

Small parts are on the device at once, matrices when they are first multiplied by; the rows and
columns of a few features are read alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from safetycase.methods.sites import Place
from safetycase.record.equations import Equation
from safetycase.run.dictionaries.activations import jump_relu
from safetycase.run.dictionaries.numbers import Numbers
from safetycase.run.dictionaries.specification import Specification


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

    @property
    def equation(self) -> Equation:
        """The equation that it computes."""
        return self.specification.equation

    @property
    def reads(self) -> Place:
        """Where it reads."""
        return self.specification.reads

    @property
    def writes(self) -> Place:
        """Where it writes; edits with its decoder rows apply there."""
        return self.specification.writes

    @property
    def width(self) -> int:
        """Number of features."""
        return self.specification.width

    @property
    def declared_l0(self) -> float:
        """Mean number of active features a token, as its makers say."""
        return self.specification.declared_l0

    @property
    def model_width(self) -> int:
        """Width of the activation that it reads, and of that which it writes."""
        return self.specification.depth

    def preactivations(self, x: torch.Tensor) -> torch.Tensor:
        """What the activation function is given, of all features."""
        return self._input(x) @ self._encoder + self._small["b_enc"]

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Activations of all features."""
        return jump_relu(self.preactivations(x), self._small["threshold"])

    def encode_chosen(self, x: torch.Tensor, features: Sequence[int]) -> torch.Tensor:
        """Activations of some features [..., features]; the others' weights are not read."""
        chosen = list(features)
        h = self._input(x) @ self._encoder_columns(chosen) + self._small["b_enc"][chosen]
        return jump_relu(h, self._small["threshold"][chosen])

    def decode(self, f: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """What the features add up to, given also what was read: a skip term needs it."""
        made = f @ self._decoder + self._small["b_dec"]
        return made if self._skip is None else made + x.float() @ self._skip

    def reconstruct(self, x: torch.Tensor) -> torch.Tensor:
        """What it makes of the activations that it reads."""
        return self.decode(self.encode(x), x)

    def error(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """What it leaves unexplained of y, the activations at the place where it writes."""
        return y.float() - self.reconstruct(x)

    def decoder_rows(self, features: Sequence[int]) -> np.ndarray:
        """What one unit of each feature adds where it writes, float32 [features, depth]."""
        if "_decoder" in self.__dict__:
            return self._decoder[list(features)].cpu().numpy()
        return self.specification.tensors["decoder"].rows(features)

    def transposed_skip(self) -> Dictionary:
        """The same with its skip term turned round: what a wrong reading would compute."""
        skip = self.specification.tensors["skip"]
        tensors = {**self.specification.tensors, "skip": skip.turned()}
        return Dictionary(
            self.id,
            Specification(**{**vars(self.specification), "tensors": tensors}),
            self._device,
        )

    def _input(self, x: torch.Tensor) -> torch.Tensor:
        return x.float()

    def _load(self, numbers: Numbers) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers.whole())).to(self._device)

    @cached_property
    def _encoder(self) -> torch.Tensor:
        return self._load(self.specification.tensors["encoder"])

    @cached_property
    def _decoder(self) -> torch.Tensor:
        return self._load(self.specification.tensors["decoder"])

    @cached_property
    def _skip(self) -> torch.Tensor | None:
        skip = self.specification.tensors.get("skip")
        return None if skip is None else self._load(skip)

    def _encoder_columns(self, features: list[int]) -> torch.Tensor:
        if "_encoder" in self.__dict__:
            return self._encoder[:, features]
        columns = self.specification.tensors["encoder"].columns(features)
        return torch.from_numpy(np.ascontiguousarray(columns)).to(self._device)
