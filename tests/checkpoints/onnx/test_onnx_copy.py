"""The copy gives the network's logits; what differs is found, however it differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from convnets.checkpoints.onnx.onnx_copy import compare_answers, onnx_copy, write_network
from convnets.errors import ModelFolderError
from convnets.models.catalogue import create_model


@pytest.mark.parametrize(
    ("name", "channels", "size"), [("lenet_bn", 1, 28), ("resnet20", 3, 32), ("googlenet", 1, 32)]
)
def test_the_copy_has_the_networks_logits_in_float64(name: str, channels: int, size: int) -> None:
    network = create_model(name, in_channels=channels, num_classes=10, input_size=size, seed=0).eval()
    images = torch.randn(5, channels, size, size, generator=torch.Generator().manual_seed(0))
    found = onnx_copy(network, (channels, size, size))(images)
    expected = network.double()(images.double()).detach()
    assert float((found.double() - expected).abs().max() / expected.abs().max()) < 1e-5


def test_what_differs_is_measured_as_a_loop_does() -> None:
    generator = np.random.default_rng(0)
    own = generator.normal(size=(50, 7)).astype(np.float32)
    other = own + generator.normal(size=own.shape).astype(np.float32) * 0.3
    largest, alike = 0.0, 0
    for mine, theirs in zip(own, other, strict=True):
        largest = max(largest, max(abs(float(a) - float(b)) for a, b in zip(mine, theirs, strict=True)))
        alike += int(mine.argmax() == theirs.argmax())
    found = compare_answers(torch.from_numpy(own), torch.from_numpy(other))
    assert found.error == pytest.approx(largest / np.abs(own).max(), rel=1e-6)
    assert found.agreement == alike / 50
    assert not found.equal


def test_a_tie_within_rounding_is_no_other_class_and_a_real_one_is() -> None:
    own = torch.tensor([[1.0, 1.0 + 1e-7, -8.0]])
    assert compare_answers(own, torch.tensor([[1.0 + 1e-6, 1.0, -8.0]])).equal
    assert not compare_answers(torch.tensor([[1.0, 1.2]]), torch.tensor([[1.2, 1.0]])).equal


@pytest.mark.parametrize("other", [torch.full((2, 3), torch.nan), torch.zeros(2, 4)])
def test_what_is_not_finite_or_of_another_shape_is_never_equal(other: Tensor) -> None:
    assert not compare_answers(torch.zeros(2, 3), other).equal


def test_the_newer_exporter_takes_over_where_the_older_one_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = torch.onnx.export

    def newer_alone(*arguments: Any, dynamo: bool = True, **more: Any) -> Any:
        if not dynamo:
            raise TypeError("dynamo=False is no more")
        return right(*arguments, dynamo=True, **more)

    monkeypatch.setattr(torch.onnx, "export", newer_alone)
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
    write_network(network, (1, 2, 2), tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    images = torch.randn(6, 1, 2, 2)
    found = session.run(None, {"inputs": images.numpy()})[0]
    assert np.allclose(found, network(images).detach().numpy(), atol=1e-6)


def test_a_network_that_answers_by_chance_has_no_copy() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(16, 3))
    assert onnx_copy(network.eval(), (1, 4, 4)) is not None

    class Chance(nn.Module):
        """Other answers each time."""

        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)[:, :3] + torch.rand(len(x), 3)

    with pytest.raises(ModelFolderError):
        onnx_copy(Chance().eval(), (1, 4, 4))
