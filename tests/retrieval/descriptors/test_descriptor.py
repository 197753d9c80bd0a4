"""Descriptors: the vector of an image is what its definition says, however it is computed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel, load_model, save_model
from convnets.core.hardware import Hardware
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, InputError, ModelFolderError, UnknownNameError
from convnets.layers.global_pooling import POOLINGS, pool
from convnets.models.catalogue import create_model
from convnets.retrieval.descriptors.describe import describe, whitened
from convnets.retrieval.descriptors.descriptor import Descriptor, descriptor_of
from convnets.retrieval.descriptors.embedder import Embedder

PREPROCESS = Preprocess(1, 28, 28, (0.3,), (0.4,))


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (40, 1, 28, 28), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def network(pixels: Tensor) -> nn.Module:
    network = create_model("lenet_bn", seed=0)
    network.train()
    network(PREPROCESS(pixels))  # batch norm with statistics of its own
    return network.eval()


@pytest.mark.parametrize("kind", POOLINGS)
def test_pooled_features(network: nn.Module, pixels: Tensor, kind: str) -> None:
    with torch.no_grad():
        expected = F.normalize(pool(network.features(PREPROCESS(pixels)), kind, grid=2))
    found = describe(network, pixels, PREPROCESS, Descriptor("features", kind, grid=2), batch_size=7)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("stage", ["embed", "logits", "hidden.1", "pixels"])
def test_other_stages(network: nn.Module, pixels: Tensor, stage: str) -> None:
    x = PREPROCESS(pixels)
    with torch.no_grad():
        expected = {
            "embed": lambda: network.embed(x),
            "logits": lambda: network(x),
            "hidden.1": lambda: network.hidden[:2](network.features(x)),
            "pixels": lambda: x.flatten(1),
        }[stage]()
    found = describe(network, pixels, PREPROCESS, Descriptor(stage))
    assert torch.allclose(found, F.normalize(expected), atol=1e-5)
    raw = describe(network, pixels, PREPROCESS, Descriptor(stage, normalize=False))
    assert torch.allclose(raw, expected, atol=1e-4)


def test_one_image_alone_and_the_set_have_the_same_vectors(network: nn.Module, pixels: Tensor) -> None:
    images = ImageSet(pixels, torch.zeros(40, dtype=torch.int64), ("a",), "x")
    embedder = Embedder(TrainedModel(network, ("a",), PREPROCESS))
    together = describe(network, images, PREPROCESS)
    assert torch.allclose(torch.cat([embedder(pixels[i : i + 1]) for i in range(5)]), together[:5], atol=1e-6)
    assert not together.is_inference()


def test_the_network_is_left_as_it_was(network: nn.Module, pixels: Tensor) -> None:
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    describe(network, pixels, PREPROCESS, Descriptor("convolutions.3", "average"))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network.eval()


def test_bf16_is_near(network: nn.Module, pixels: Tensor) -> None:
    bf16 = Hardware(torch.device("cpu"), torch.bfloat16, threads=1)
    for descriptor in (Descriptor(), Descriptor("convolutions.3", "both")):
        exact = describe(network, pixels, PREPROCESS, descriptor)
        assert (describe(network, pixels, PREPROCESS, descriptor, hardware=bf16) * exact).sum(1).min() > 0.999


def test_whitened_vectors_are_uncorrelated(network: nn.Module, pixels: Tensor) -> None:
    plain = Descriptor("features", "average")
    fitted = whitened(network, pixels, PREPROCESS, plain, size=5)
    assert str(fitted) == "average of features, whitened to 5"
    raw = describe(network, pixels, PREPROCESS, replace(fitted, normalize=False))
    assert describe(network, pixels, PREPROCESS, fitted).norm(dim=1).tolist() == pytest.approx([1.0] * 40)
    assert raw.shape == (40, 5)
    unscaled = whitened(network, pixels, PREPROCESS, replace(plain, normalize=False), size=5)
    vectors = describe(network, pixels, PREPROCESS, unscaled)
    assert torch.allclose(vectors.T @ vectors / 39, torch.eye(5), atol=1e-3)


def test_to_json_and_back(network: nn.Module, pixels: Tensor) -> None:
    for descriptor in (
        Descriptor(),
        Descriptor("convolutions.3", "gem", p=4.5),
        whitened(network, pixels, PREPROCESS, Descriptor("features", "grid", grid=2), size=3),
    ):
        again = Descriptor.from_dict(json.loads(json.dumps(descriptor.to_dict())), descriptor.arrays())
        assert str(again) == str(descriptor)
        assert again.to_dict() == descriptor.to_dict()
        assert torch.equal(
            describe(network, pixels, PREPROCESS, again), describe(network, pixels, PREPROCESS, descriptor)
        )


def test_damaged_descriptors_are_refused() -> None:
    with pytest.raises(ConfigError, match="lacks or mistypes"):
        Descriptor.from_dict({"stage": "embed"})
    with pytest.raises(ConfigError, match=r"whitening.mean"):
        Descriptor.from_dict({**Descriptor().to_dict(), "whitening": {"explained": 0.5}})


def test_what_is_not_allowed(network: nn.Module, pixels: Tensor) -> None:
    with pytest.raises(UnknownNameError, match="average"):
        Descriptor(pooling="averge")
    with pytest.raises(ConfigError, match="p above 0"):
        Descriptor(p=0)
    with pytest.raises(InputError, match="use flatten for vectors"):
        describe(network, pixels, PREPROCESS, Descriptor("embed", "average"))
    with pytest.raises(UnknownNameError, match="unknown stage"):
        describe(network, pixels, PREPROCESS, Descriptor("conv9"))


def test_the_descriptor_of_a_model(tmp_path: Path) -> None:
    network = create_model("lenet", seed=0)
    trained = TrainedModel(network, ("a",) * 10, PREPROCESS)
    assert descriptor_of(trained) == Descriptor()
    trained.metrics = {"embedding": {"stage": "features", "pooling": "gem", "p": 2.5}}
    save_model(tmp_path / "model", trained)
    assert descriptor_of(load_model(tmp_path / "model")) == Descriptor("features", "gem", p=2.5)
    trained.metrics = {"embedding": {"stage": "features"}}
    with pytest.raises(ModelFolderError, match="train again"):
        descriptor_of(trained)
