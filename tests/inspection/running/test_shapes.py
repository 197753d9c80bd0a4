"""Outputs without values are those of PyTorch's own rules for the meta device: shape, type and strides."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from convnets import create_model
from convnets.inspection.running.shapes import QuickShapes, output_without_values

ATEN = torch.ops.aten


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(*shape, device="meta", dtype=dtype)


PICTURES = {
    "contiguous": meta(2, 3, 5, 7),
    "channels last": meta(2, 3, 5, 7).to(memory_format=torch.channels_last),
    "a window": meta(2, 3, 9, 9)[:, :, 1:6, 2:9],
    "transposed": meta(2, 3, 7, 5).transpose(2, 3),
    "bfloat16": meta(2, 3, 5, 7, dtype=torch.bfloat16),
    "float64": meta(2, 3, 5, 7, dtype=torch.float64),
    "none": meta(0, 3, 5, 7),
}


def same(mine: Any, theirs: Any) -> bool:
    def facts(value: Any) -> list[Any]:
        return [(each.shape, each.stride(), each.dtype, each.device) for each in tree_leaves(value)]

    return facts(mine) == facts(theirs)


@pytest.mark.parametrize("images", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "hardtanh", "silu"])
def test_one_by_one(name: str, images: Tensor) -> None:
    operator = getattr(ATEN, name).default
    assert same(output_without_values(operator, (images,)), operator(images))


@pytest.mark.parametrize("images", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm(training: bool, images: Tensor) -> None:
    channels = [meta(3) for _ in range(4)]
    args = (images, *channels, training, 0.1, 1e-5)
    mine, mean, scale = output_without_values(ATEN.native_batch_norm.default, args)
    theirs = ATEN.native_batch_norm.default(*args)
    assert same(mine, theirs[0])
    if training:  # PyTorch gives empty statistics where they are fixed; nobody reads them
        assert same((mean, scale), theirs[1:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_linear(dtype: torch.dtype) -> None:
    args = meta(4, dtype=dtype), meta(2, 3, dtype=dtype), meta(4, 3, dtype=dtype).t()
    assert same(output_without_values(ATEN.addmm.default, args), ATEN.addmm.default(*args))


@pytest.mark.parametrize("images", PICTURES.values(), ids=PICTURES)
@pytest.mark.parametrize("name", ["add", "mul"])
def test_two_of_one_layout(name: str, images: Tensor) -> None:
    operator = getattr(ATEN, name).Tensor
    assert same(output_without_values(operator, (images, images)), operator(images, images))


@pytest.mark.parametrize("dim", [0, 1, 3, -1, -3])
def test_concatenation(dim: int) -> None:
    shapes = [[2, 3, 5, 7] for _ in range(3)]
    for at, shape in enumerate(shapes):
        shape[dim] = at + 1
    tensors = [meta(*shape) for shape in shapes]
    assert same(output_without_values(ATEN.cat.default, (tensors, dim)), ATEN.cat(tensors, dim))


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("dims", [[1], [2, 3], [-1, -2], [0, 1, 2, 3]])
def test_mean(dims: list[int], keep: bool) -> None:
    for images in (PICTURES["contiguous"], PICTURES["bfloat16"]):
        args = images, dims, keep
        assert same(output_without_values(ATEN.mean.dim, args), ATEN.mean.dim(*args))


def test_what_does_not_fit_is_left_to_pytorch() -> None:
    for operator, args in (
        (ATEN.addmm.default, (meta(4), meta(2, 3), meta(5, 4))),
        (ATEN.addmm.default, (meta(1), meta(2, 3), meta(3, 4))),
        (ATEN.addmm.default, (meta(4), meta(2, 3), meta(3, 4, dtype=torch.float64))),
        (ATEN.sigmoid.default, (meta(2, dtype=torch.int64),)),
        (ATEN.relu.default, (torch.ones(2),)),
        (ATEN.native_batch_norm.default, (meta(2, 3, 5, 5), meta(4), None, None, None, True, 0.1, 1e-5)),
        (ATEN.add.Tensor, (meta(2, 3), meta(3))),
        (ATEN.add.Tensor, (meta(2, 3), meta(3, 2).t())),
        (ATEN.mul.Tensor, (meta(2, 3), 2.0)),
        (ATEN.cat.default, ([meta(2, 3), meta(2, 4)],)),
        (ATEN.cat.default, ([meta(2, 3), meta(0)],)),
        (ATEN.cat.default, ([PICTURES["contiguous"], PICTURES["channels last"]], 1)),
        (ATEN.mean.dim, (PICTURES["channels last"], [2, 3], True)),
        (ATEN.mean.dim, (meta(2, 3), None)),
        (ATEN.exp.default, (meta(2),)),
    ):
        assert output_without_values(operator, args) is None


def test_whoever_wants_only_shapes_gets_them() -> None:
    network = create_model("resnet20", seed=0).to("meta").eval()
    images = meta(2, 3, 32, 32)
    with torch.no_grad():
        plain = network(images)
        with QuickShapes():
            assert same(network(images), plain)


def test_a_summary_does_not_load_the_compiler() -> None:
    code = (
        "import sys\nfrom convnets.cli.main import run\n"
        "for name in ('lenet_bn', 'alexnet', 'resnet20', 'densenet_bc100', 'googlenet'):\n"
        "    try: run(['summary', name])\n    except SystemExit: pass\n"
        "print('torch._dynamo' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "False"
