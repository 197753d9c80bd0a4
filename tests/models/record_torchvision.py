"""Record what torchvision's own networks look like and compute, as golden files for the tests.

    pip download torchvision --no-deps --dest FOLDER && unzip -q FOLDER/torchvision-*.whl -d FOLDER
    python tests/models/record_torchvision.py FOLDER

Only torchvision's plain Python files of networks are run, behind empty parent packages: its compiled operations do not
import beside every build of PyTorch, and no network here needs them. Written with torchvision 0.29.2.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import torch
from made_up_weights import fill, made_up_images

GOLDEN = Path(__file__).parents[1] / "golden" / "models"

# our name: torchvision's module, function
NETWORKS = {
    "alexnet": ("alexnet", "alexnet"),
    **{f"vgg{d}{s}": ("vgg", f"vgg{d}{s}") for s in ("", "_bn") for d in (11, 13, 16, 19)},
    "googlenet_bn": ("googlenet", "googlenet"),
    **{f"resnet{d}": ("resnet", f"resnet{d}") for d in (18, 34, 50, 101, 152)},
    **{f"densenet{d}": ("densenet", f"densenet{d}") for d in (121, 161, 169, 201)},
}


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
        target = GOLDEN / f"torchvision_{name}.json"
        target.write_text(json.dumps(record(name), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
