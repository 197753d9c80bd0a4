"""Record what torchvision's own networks look like and compute, as golden files for the tests.

    pip download torchvision --no-deps --dest FOLDER && unzip -q FOLDER/torchvision-*.whl -d FOLDER
    python tests/golden/models/record_torchvision.py FOLDER

Weights and images are a formula of their name and shape, the same on every machine, so that none need be kept.

Only torchvision's plain Python files of networks are run, behind empty parent packages: its compiled operations do not
import beside every build of PyTorch, and no network here needs them. Written with torchvision 0.29.2.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# our name: torchvision's module, function
NETWORKS = {
    "alexnet": ("alexnet", "alexnet"),
    **{f"vgg{d}{s}": ("vgg", f"vgg{d}{s}") for s in ("", "_bn") for d in (11, 13, 16, 19)},
    "googlenet_bn": ("googlenet", "googlenet"),
    **{f"resnet{d}": ("resnet", f"resnet{d}") for d in (18, 34, 50, 101, 152)},
    **{f"densenet{d}": ("densenet", f"densenet{d}") for d in (121, 161, 169, 201)},
}


# a prime, so that repeating the numbers never lines up with the rows of a weight
_PERIOD = 1_048_573


def uniform(name: str, count: int) -> np.ndarray:
    """`count` float32 numbers in [−1, 1): SplitMix64's mixing of a counter that starts at a hash of `name`."""
    start = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(min(count, _PERIOD), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return np.resize((z >> np.uint64(40)).astype(np.float32) / np.float32(2**23) - np.float32(1), count)


def tensor(name: str, shape: Sequence[int]) -> Tensor:
    """A weight of such a size that signals neither die nor explode, a bias, or a statistic of batch norm."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    drawn = torch.from_numpy(uniform(name, math.prod(shape))).reshape(tuple(shape))
    if len(shape) > 1:
        return drawn.mul_(math.sqrt(6 / math.prod(shape[1:])))
    if name.endswith("running_var"):
        return 1 + drawn / 2
    return (1 if name.endswith("weight") else 0) + drawn / 10


def fill(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """A state dict of made-up tensors for these names and shapes."""
    return {name: tensor(name, shape) for name, shape in shapes.items()}


def made_up_images(count: int, channels: int, side: int) -> Tensor:
    """N×C×H×W, values in [−1, 1)."""
    return tensor("images", (count, channels, side, side)) / math.sqrt(6 / (channels * side * side))


def stand_in_parents(folder: Path) -> None:
    """Empty packages in place of those whose import would start torchvision's compiled part."""
    for name in (
        "",
        ".models",
        ".transforms",
        ".transforms._presets",
        ".utils",
        "._internally_replaced_utils",
    ):
        module: Any = types.ModuleType(f"torchvision{name}")
        module.__path__ = [str(folder / "torchvision" / name.strip(".").replace(".", "/"))]
        module.ImageClassification = object
        module._log_api_usage_once = lambda *_: None
        module.load_state_dict_from_url = None
        sys.modules[f"torchvision{name}"] = module


def build(name: str, **arguments: Any) -> torch.nn.Module:
    module, function = NETWORKS[name]
    with torch.device("meta"):
        return getattr(importlib.import_module(f"torchvision.models.{module}"), function)(**arguments)


def record(name: str) -> dict[str, Any]:
    arguments = {"aux_logits": True, "init_weights": False} if name == "googlenet_bn" else {}
    network = build(name, **arguments)
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    network = network.to_empty(device="cpu")
    network.load_state_dict(fill(shapes))
    with torch.no_grad():
        logits = network.eval()(made_up_images(2, 3, 64))
        result: dict[str, Any] = {"shapes": shapes, "logits": logits[:, ::125].tolist()}
        if name == "googlenet_bn":
            network.train()
            freeze(network)
            result["auxiliary"] = [output[:, ::125].tolist() for output in network(made_up_images(2, 3, 64))]
    return result


def freeze(network: torch.nn.Module) -> None:
    """Evaluate every layer, while the network itself stays in training and so gives its auxiliary logits."""
    for child in network.modules():
        if isinstance(child, torch.nn.BatchNorm2d | torch.nn.Dropout):
            child.eval()


def main() -> None:
    folder = Path(sys.argv[1])
    stand_in_parents(folder)
    for name in NETWORKS:
        target = Path(__file__).parent / f"torchvision_{name}.json"
        target.write_text(json.dumps(record(name), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
