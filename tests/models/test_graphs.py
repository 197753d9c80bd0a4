"""The networks under PyTorch's own tools: compile, export, fx, tracing, autocast, memory layouts, meta device."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import Tensor, fx

from convnets.errors import InputError
from convnets.inspection.running.shapes import QuickShapes
from convnets.models.catalogue import create_model, list_models, model_entry
from convnets.models.contract import ImageClassifier

KINDS = ("mlp", "lenet_bn", "nin", "googlenet", "resnet18_d2l", "resnet20", "densenet_d2l")


def network_and_images(name: str) -> tuple[ImageClassifier, Tensor]:
    entry = model_entry(name)
    side = entry.input_size if entry.fixed_size else max(entry.min_size, 40)
    network = create_model(name, num_classes=4, seed=0).eval()
    return network, torch.rand(2, entry.in_channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", KINDS)
def test_compile_without_graph_breaks(name: str) -> None:
    network, x = network_and_images(name)
    torch.compiler.reset()
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), network(x))


@pytest.mark.parametrize("name", ["lenet_bn", "resnet20"])
def test_compile_in_training(name: str) -> None:
    network, x = network_and_images(name)
    trained, twin = network.train(), copy.deepcopy(network).train()
    torch.compiler.reset()
    torch.testing.assert_close(torch.compile(trained, backend="eager", fullgraph=True)(x), twin(x))
    torch.testing.assert_close(dict(trained.named_buffers()), dict(twin.named_buffers()))


def test_a_compiled_network_still_explains_a_bad_input() -> None:
    network, x = network_and_images("lenet")
    torch.compiler.reset()
    with pytest.raises(InputError, match="28 to 31 pixels"):
        torch.compile(network, backend="eager")(x[..., :20])


@pytest.mark.parametrize("name", KINDS)
def test_export_with_any_batch_size(name: str) -> None:
    network, x = network_and_images(name)
    exported = torch.export.export(network, (x,), dynamic_shapes={"x": {0: torch.export.Dim("N")}}).module()
    torch.testing.assert_close(exported(x), network(x))
    assert exported(x.repeat(3, 1, 1, 1)).shape == (6, 4)


def test_export_with_any_size() -> None:
    network, x = network_and_images("resnet20")
    sides = {2: torch.export.Dim("H", min=8, max=512), 3: torch.export.Dim("W", min=8, max=512)}
    exported = torch.export.export(network, (x,), dynamic_shapes={"x": sides}).module()
    larger = torch.rand(2, 3, 50, 60)
    torch.testing.assert_close(exported(larger), network(larger))


@pytest.mark.parametrize("name", KINDS)
def test_symbolic_trace_and_jit_trace(name: str) -> None:
    network, x = network_and_images(name)
    assert torch.equal(fx.symbolic_trace(network)(x), network(x))
    with warnings.catch_warnings():
        warnings.simplefilter("error", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(network, x)
    torch.testing.assert_close(traced(x), network(x))


@torch.no_grad()
@pytest.mark.parametrize("name", KINDS)
def test_autocast_and_channels_last(name: str) -> None:
    network, x = network_and_images(name)
    expected = network(x)
    scale = float(expected.abs().max())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float((network(x).float() - expected).abs().max()) < 0.05 * scale
    columns = network.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(columns, expected, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.parametrize(
    "name", [name for name in list_models() if not name.startswith(("resnet1", "densenet1"))]
)
def test_meta_device_and_half_precision(name: str) -> None:
    entry = model_entry(name)
    with torch.device("meta"), QuickShapes():
        network = create_model(name).half()
        logits = network(torch.empty(2, *entry.input_shape(), dtype=torch.half))
    assert (logits.shape, logits.dtype) == ((2, entry.num_classes), torch.half)
