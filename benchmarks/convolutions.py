"""What every candidate kernel reaches on each convolution of a network, and which one is chosen.

Usage: python benchmarks/convolutions.py lenet resnet18_d2l --json convolutions.json

Nothing is read from or left in the cache folder: each run measures afresh. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convnets.core.environment import describe_environment
from convnets.core.hardware import choose_hardware
from convnets.core.memory import keep_freed_memory
from convnets.core.storage.files import write_json
from convnets.kernels.convolutions.plan import DIRECTIONS, ConvolutionPlan, describe
from convnets.kernels.convolutions.shape import ConvolutionShape
from convnets.kernels.tuning.tuner import Tuner
from convnets.models.catalogue import create_model, model_entry

# side of the images and batch size at which each network is trained on Fashion-MNIST
_SETTINGS = {
    "lenet": (28, 256),
    "lenet_bn": (28, 256),
    "resnet20": (28, 256),
    "resnet18_d2l": (96, 256),
    "densenet_d2l": (96, 256),
    "googlenet": (96, 128),
    "nin": (224, 128),
    "vgg11_quarter": (224, 128),
    "alexnet_d2l": (224, 128),
}


def convolutions_of(
    network: nn.Module, x: torch.Tensor, dtype: torch.dtype
) -> dict[ConvolutionShape, list[str]]:
    """Each shape that a training step of `network` on `x` computes, with the names of its layers."""
    found: dict[ConvolutionShape, list[str]] = {}

    def note(name: str, layer: nn.Conv2d, given: tuple[torch.Tensor, ...]) -> None:
        shape = ConvolutionShape.of_module(layer, given[0], dtype, given[0].requires_grad)
        found.setdefault(shape, []).append(name)

    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d) and ConvolutionShape.supports(layer):
            layer.register_forward_pre_hook(lambda layer, given, name=name: note(name, layer, given))
    network.train()(x)
    return found


def measure_network(name: str, batch: int | None, dtype: torch.dtype, threads: int) -> dict[str, Any]:
    """Tune all convolutions of a network of the catalogue and print what was found."""
    size, usual_batch = _SETTINGS.get(name, (model_entry(name).input_size, 128))
    batch = batch or usual_batch
    network = create_model(name, in_channels=1, num_classes=10, input_size=size).to("meta")
    shapes = convolutions_of(network, torch.empty(batch, 1, size, size, device="meta"), dtype)
    print(f"\n{name}, {batch} images of {size}×{size}: {len(shapes)} shapes of convolutions", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        tuner = Tuner(Path(folder) / "plans.json")
        plans: dict[ConvolutionShape, ConvolutionPlan] = {}
        for shape, layers in shapes.items():
            plans[shape] = tuner.plan(shape, threads)
            _print_shape(shape, layers, plans[shape])
    usual, chosen = _seconds_of(plans, shapes, usual=True), _seconds_of(plans, shapes, usual=False)
    macs = sum(shape.macs * len(layers) * len(plans[shape].seconds) for shape, layers in shapes.items())
    print(
        f"{name}: convolutions of a step {1e3 * usual:.1f} ms by oneDNN, {1e3 * chosen:.1f} ms as chosen "
        f"({usual / chosen:.2f}×, {2e-9 * macs / chosen:.0f} GFLOP/s)",
        flush=True,
    )
    rows = [row.__dict__ for row in describe(plans)]
    candidates = {shape.key(): plan.to_dict() for shape, plan in plans.items()}
    layers_of = {shape.key(): layers for shape, layers in shapes.items()}
    seconds = {"onednn": usual, "chosen": chosen}
    return {
        "network": name,
        "batch": batch,
        "size": size,
        "seconds": seconds,
        "rows": rows,
        "plans": candidates,
        "layers": layers_of,
    }


def _print_shape(shape: ConvolutionShape, layers: list[str], plan: ConvolutionPlan) -> None:
    times = f" and {len(layers) - 1} more" if len(layers) > 1 else ""
    print(f"  {layers[0]}{times}: {shape.key()}")
    for direction in DIRECTIONS:
        seconds = plan.seconds.get(direction, {})
        speeds = [
            f"{'*' if name == plan.chosen(direction) else ''}{name} {2e-9 * shape.macs / took:.0f}"
            for name, took in seconds.items()
        ]
        for name, reason in plan.dropped.get(direction, {}).items():
            speeds.append(f"{name} dropped ({reason})")
        if speeds:
            print(f"    {direction:16} {', '.join(speeds)}", flush=True)


def _seconds_of(
    plans: Mapping[ConvolutionShape, ConvolutionPlan],
    shapes: Mapping[ConvolutionShape, list[str]],
    *,
    usual: bool,
) -> float:
    """Time of all convolutions of a step, by oneDNN where it is right (`usual`) or as chosen."""
    total = 0.0
    for shape, plan in plans.items():
        for direction, seconds in plan.seconds.items():
            chosen = seconds[plan.chosen(direction)]
            total += len(shapes[shape]) * (seconds.get("onednn", chosen) if usual else chosen)
    return total


def main() -> None:
    """Print GFLOP/s per layer, direction and kernel; the chosen one has a star."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(_SETTINGS))
    parser.add_argument("--batch", type=int, help="images, instead of each network's own batch size")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    hardware = choose_hardware("cpu", arguments.precision, arguments.threads)
    keep_freed_memory()
    print(hardware)
    results = [
        measure_network(name, arguments.batch, hardware.dtype, hardware.threads)
        for name in arguments.networks
    ]
    if arguments.json is not None:
        write_json(arguments.json, {"networks": results, "environment": describe_environment(hardware)})


if __name__ == "__main__":
    main()
