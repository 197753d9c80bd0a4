"""Batch norm, addition, activation and pooling as one native operation against PyTorch's modules one by one.

Each row is one place of a network at the batch size of its recipe: forward and backward in bfloat16, channels-last,
A and B in turns in one process, medians. GB/s counts what the native passes read and write.

Usage: python benchmarks/kernels.py --network lenet_bn --threads 2 --repeats 15 --json kernels.json
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from convnets.core.hardware import processor_name
from convnets.core.memory import keep_freed_memory
from convnets.core.storage.files import write_json
from convnets.kernels.compiled import compiled_kernels, why_not_compiled
from convnets.kernels.pointwise import normalize_activate_pool, plain
from convnets.kernels.pooling import Pooling

STEM_POOL = Pooling("max", 3, 2, 1)
SHRINK = Pooling("max", 3, 2)
HALF = Pooling("max", 2)
AVERAGE = Pooling("average", 2)


@dataclass(frozen=True)
class Place:
    """One place of a network: N, C, H, W of its input and what follows there."""

    network: str
    shape: tuple[int, ...]
    activation: str | None
    pooling: Pooling | None = None
    norm: bool = True
    residual: bool = False

    def __str__(self) -> str:
        pool = self.pooling
        steps = (
            "norm" if self.norm else "",
            "add" if self.residual else "",
            self.activation or "",
            f"{pool.kind} {pool.kernels[0]}/{pool.strides[0]}" if pool else "",
        )
        return f"{'×'.join(map(str, self.shape))} {' + '.join(filter(None, steps))}"

    @property
    def outputs(self) -> int:
        """Elements of the result."""
        images, channels, *sides = self.shape
        height, width = sides or (1, 1)
        down, across = (height, width) if self.pooling is None else self.pooling.output_size(height, width)
        return images * channels * down * across

    @property
    def bytes_moved(self) -> int:
        """What the native passes read and write in bfloat16, forward and backward."""
        x = 2 * torch.Size(self.shape).numel()
        y = 2 * self.outputs
        is_max = self.pooling is not None and self.pooling.kind == "max"
        stored = self.residual or self.pooling is not None or self.activation not in (None, "relu")
        forward = x * (1 + self.norm + self.residual) + y + is_max * y // 2
        if not self.norm:
            return forward + y + is_max * y // 2 + x * (2 + self.residual)
        first = y + is_max * y // 2 + x * (1 + self.residual + stored)
        return forward + first + 3 * x


PLACES = (
    Place("lenet", (256, 6, 28, 28), "sigmoid", AVERAGE, norm=False),
    Place("lenet", (256, 16, 10, 10), "sigmoid", AVERAGE, norm=False),
    Place("lenet", (256, 120), "sigmoid", norm=False),
    Place("lenet_bn", (256, 6, 24, 24), "sigmoid", AVERAGE),
    Place("lenet_bn", (256, 16, 8, 8), "sigmoid", AVERAGE),
    Place("lenet_bn", (256, 120), "sigmoid"),
    Place("resnet20", (128, 16, 32, 32), "relu"),
    Place("resnet20", (128, 16, 32, 32), "relu", residual=True),
    Place("resnet20", (128, 32, 16, 16), "relu", residual=True),
    Place("resnet20", (128, 64, 8, 8), "relu"),
    Place("resnet18_d2l", (256, 64, 48, 48), "relu", STEM_POOL),
    Place("resnet18_d2l", (256, 64, 24, 24), "relu"),
    Place("resnet18_d2l", (256, 64, 24, 24), "relu", residual=True),
    Place("resnet18_d2l", (256, 128, 12, 12), "relu", residual=True),
    Place("resnet18_d2l", (256, 256, 6, 6), "relu"),
    Place("resnet18_d2l", (256, 512, 3, 3), "relu", residual=True),
    Place("densenet_d2l", (256, 64, 48, 48), "relu", STEM_POOL),
    Place("densenet_d2l", (256, 160, 24, 24), "relu"),
    Place("densenet_d2l", (256, 192, 12, 12), "relu"),
    Place("densenet_d2l", (256, 248, 3, 3), "relu"),
    Place("densenet_d2l", (256, 96, 24, 24), None, AVERAGE, norm=False),
    Place("googlenet", (128, 64, 48, 48), "relu", STEM_POOL, norm=False),
    Place("googlenet", (128, 192, 12, 12), None, Pooling("max", 3, 1, 1), norm=False),
    Place("googlenet", (128, 480, 12, 12), None, STEM_POOL, norm=False),
    Place("nin", (128, 96, 54, 54), "relu", norm=False),
    Place("nin", (128, 96, 54, 54), "relu", SHRINK, norm=False),
    Place("nin", (128, 256, 26, 26), "relu", SHRINK, norm=False),
    Place("vgg11_quarter", (128, 16, 224, 224), "relu", HALF, norm=False),
    Place("vgg11_quarter", (128, 32, 112, 112), "relu", HALF, norm=False),
    Place("vgg11_quarter", (128, 64, 56, 56), "relu", norm=False),
)


def pass_of(place: Place, function: Callable[..., Tensor]) -> Callable[[], None]:
    """Forward and backward once, on tensors of its own."""
    generator = torch.Generator().manual_seed(0)

    def maps() -> Tensor:
        values = torch.randn(place.shape, generator=generator).bfloat16()
        return values.to(memory_format=torch.channels_last) if values.dim() == 4 else values

    norm_type = nn.BatchNorm2d if len(place.shape) == 4 else nn.BatchNorm1d
    norm = norm_type(place.shape[1]) if place.norm else None
    x = maps().requires_grad_()
    residual = maps().requires_grad_() if place.residual else None
    inputs = [t for t in (x, residual, *(norm.parameters() if norm else ())) if t is not None]
    with torch.no_grad():
        grad = torch.randn_like(plain(x, None, None, None, place.pooling))

    def run() -> None:
        torch.autograd.grad(function(x, norm, residual, place.activation, place.pooling), inputs, grad)

    return run


def measure(place: Place, repeats: int) -> dict[str, float | str]:
    """Medians in milliseconds of both ways, in turns."""
    runs = {"torch": pass_of(place, plain), "native": pass_of(place, normalize_activate_pool)}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 2):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if repeat >= 2:  # the first two passes get the memory
                times[name].append((time.perf_counter() - started) * 1e3)
    torch_ms, native_ms = (statistics.median(times[name]) for name in ("torch", "native"))
    return {
        "network": place.network,
        "place": str(place),
        "torch_ms": torch_ms,
        "native_ms": native_ms,
        "ratio": torch_ms / native_ms,
        "native_gb_per_s": place.bytes_moved / native_ms / 1e6,
    }


def main() -> None:
    """Print a line per place."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", action="append", help="only this one; may be given several times")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    kept = keep_freed_memory()
    if compiled_kernels() is None:
        raise SystemExit(f"no native kernels: {why_not_compiled()}")
    print(f"{processor_name()}, {arguments.threads} threads, memory kept: {kept}, torch {torch.__version__}")
    print(f"{'network':14} {'place':46} {'torch ms':>9} {'native ms':>9} {'ratio':>6} {'GB/s':>6}")
    results = []
    for place in PLACES:
        if arguments.network and place.network not in arguments.network:
            continue
        found = measure(place, arguments.repeats)
        results.append(found)
        print(
            f"{found['network']:14} {found['place']:46} {found['torch_ms']:9.2f} {found['native_ms']:9.2f} "
            f"{found['ratio']:6.1f} {found['native_gb_per_s']:6.1f}",
            flush=True,
        )
    if arguments.json is not None:
        write_json(
            arguments.json, {"threads": arguments.threads, "torch": torch.__version__, "places": results}
        )


if __name__ == "__main__":
    main()
