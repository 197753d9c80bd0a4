"""ExportedNetwork: a trained model as one function, from what another program has to what it wants."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.selection.calibration.calibration import CALIBRATION, Calibration

__all__ = ["FORMS", "ExportedNetwork", "Form", "metadata_of"]

Form = Literal["pictures", "tensor"]
FORMS: tuple[Form, ...] = ("pictures", "tensor")


class ExportedNetwork(nn.Module):
    """`pictures`: uint8 N×R×R×C → probabilities N×K, preprocessing, softmax and temperature inside.

    `tensor`: float32 N×C×S×S, normalized, → logits N×K. R is the short side that pictures are scaled to, S the
    network's input, C channels, K classes.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, trained: TrainedModel, form: Form = "pictures") -> None:
        super().__init__()
        self.network, self.form = trained.network.eval(), form
        preprocess, calibration = trained.preprocess, Calibration.of(trained.metrics)
        self.temperature = 1.0 if calibration is None else calibration.temperature
        self.size = preprocess.size
        self.margin = (preprocess.resize - preprocess.size) // 2
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(preprocess.std).view(1, -1, 1, 1), persistent=False)
        side, channels = preprocess.resize, preprocess.channels
        self.shape = (side, side, channels) if form == "pictures" else (channels, self.size, self.size)
        """Of one input."""

    def forward(self, inputs: Tensor) -> Tensor:
        """See the class."""
        if self.form == "tensor":
            found: Tensor = self.network(inputs)
            return found
        crop = slice(self.margin, self.margin + self.size)
        images = inputs[:, crop, crop].permute(0, 3, 1, 2).to(torch.float32) / 255.0
        return torch.softmax(self.network((images - self.mean) / self.std) / self.temperature, 1)

    def example(self, count: int, seed: int = 0) -> Tensor:
        """Random inputs."""
        generator = torch.Generator().manual_seed(seed)
        if self.form == "pictures":
            return torch.randint(0, 256, (count, *self.shape), dtype=torch.uint8, generator=generator)
        return torch.randn((count, *self.shape), generator=generator)


def metadata_of(exported: ExportedNetwork, trained: TrainedModel) -> dict[str, Any]:
    """Classes, preprocessing and calibration, as the file states them."""
    from convnets import __version__

    return {
        "convnets": __version__,
        "network": trained.name,
        "form": exported.form,
        "classes": list(trained.classes),
        "preprocess": trained.preprocess.to_dict(),
        "temperature": exported.temperature,
        "calibration": trained.metrics.get(CALIBRATION),
    }
