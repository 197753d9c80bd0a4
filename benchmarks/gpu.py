"""What convnets makes of this machine's GPU: tests, speed, time of a record, and the long runs of the notes.

    python benchmarks/gpu.py --output gpu
    python benchmarks/gpu.py --output gpu --only tests bench --minutes 3

Needs a PyTorch with CUDA and what convnets itself needs; Fashion-MNIST is read from $CONVNETS_DATA or downloaded. Each
part has a bound in time, and results (gpu.json, gpu.md) are written after each step, so that a cut loses one step.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from convnets import ImageSet, TrainConfig, train
from convnets.acceleration.compilation import choose_compilation
from convnets.acceleration.cuda_graph import record_on_cuda
from convnets.core.display.text_table import aligned
from convnets.core.storage.files import write_json, write_text
from convnets.models.catalogue import create_model
from convnets.recipes.catalogue import get_recipe

ROOT = Path(__file__).parents[1]
PARTS = ("tests", "bench", "ways", "record", "reproduce")
SHARES = {
    "tests": 0.2,
    "bench": 0.5,
    "ways": 0.15,
    "record": 0.05,
    "reproduce": 0.4,
}  # of the minutes that are left for the parts to come
TESTS = ("tests/cuda", "tests/selection/robustness/test_corruptions.py")
BENCHED = {  # and whether also against compiled PyTorch, whose compiler takes its time
    "resnet20": True,
    "resnet18_d2l": True,
    "googlenet": False,
    "lenet_bn": True,
    "vgg11_quarter": False,
    "nin": False,
    "alexnet_d2l": False,
    "densenet_d2l": False,
}
COMPILED = (("lenet_bn", 28, 256), ("resnet20", 32, 128), ("resnet18_d2l", 96, 256))
UNFINISHED = ("nin", "alexnet_d2l", "vgg11_quarter", "googlenet")


class Results:
    """What was found so far, as JSON and as Markdown."""

    def __init__(self, folder: Path, device: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.device = folder, device
        self.found: dict[str, Any] = {
            "device": torch.cuda.get_device_name() if device == "cuda" else platform.processor(),
            "torch": torch.__version__,
            "cuda": torch.version.cuda,
            "python": platform.python_version(),
            "started": time.strftime("%Y-%m-%d"),
            "command": " ".join(["python", "benchmarks/gpu.py", *sys.argv[1:]]),
        }

    def put(self, part: str, name: str, value: Any) -> None:
        """Keep one result and write all of them."""
        self.found.setdefault(part, {})[name] = value
        write_json(self.folder / "gpu.json", self.found)
        write_text(self.folder / "gpu.md", self.markdown())
        print(f"{part} {name}: {json.dumps(value)[:400]}", flush=True)

    def markdown(self) -> str:
        """Tables of speed, ways and runs."""
        machine = f"{self.found['device']}, PyTorch {self.found['torch']}, CUDA {self.found['cuda']}"
        lines = [f"{machine}, {self.found['started']}: `{self.found['command']}`", ""]
        if "bench" in self.found:
            lines += [
                "| network | loop | images/s | GFLOP/s | of peak | convnets is |",
                "|---|---|--:|--:|--:|--:|",
            ]
            for name, sides in self.found["bench"].items():
                lines += [
                    f"| {name} | {side['name']} | {side['images_per_second']:,.0f} | {side['gflops']:,.0f} | "
                    f"{side['share_of_peak']:.0%} | {side['ratio'] or ''} |"
                    for side in sides.get("sides", ())
                ]
            lines.append("")
        for part in ("tests", "ways", "record", "reproduce"):
            for name, value in self.found.get(part, {}).items():
                lines.append(f"- {part}, {name}: {json.dumps(value)}")
        return "\n".join(lines) + "\n"


def run(command: list[str], seconds: float) -> tuple[int | None, str]:
    """Exit status (None when it was cut) and output of a command of the project."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{os.environ.get('PYTHONPATH', '')}"}
    try:
        done = subprocess.run(
            [sys.executable, *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd=ROOT,
        )
    except subprocess.TimeoutExpired as cut:
        told = cut.stdout.decode() if isinstance(cut.stdout, bytes) else cut.stdout or ""
        return None, told
    return done.returncode, done.stdout + done.stderr


def tests(results: Results, seconds: float) -> None:
    """The tests that are marked `cuda`."""
    status, told = run(["-m", "pytest", "-q", "-m", "cuda", *TESTS, "-p", "no:cacheprovider"], seconds)
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", told, re.M)
    results.put(
        "tests", "cuda", {"exit": status, "summary": told.strip().splitlines()[-1:], "failed": failed}
    )
    write_text(results.folder / "tests.txt", told)


def bench(results: Results, seconds: float) -> None:
    """`convnets bench --baseline`, network by network."""
    ends = time.monotonic() + seconds
    for name, compiled in BENCHED.items():
        left = ends - time.monotonic()
        if left < 20:
            return
        folder = results.folder / "bench" / name
        options = [
            "--baseline",
            *(["--compiled"] if compiled else []),
            "--no-inference",
            "--rounds",
            "5",
            "--seconds",
            "0.5",
            "--device",
            results.device,
        ]
        status, told = run(["-m", "convnets", "bench", name, *options, "--output", str(folder)], left)
        if status != 0:
            results.put("bench", name, {"exit": status, "told": told.strip().splitlines()[-1:]})
            continue
        (network,) = json.loads((folder / "bench.json").read_text())["networks"]
        training = network["training"]
        sides = [
            {
                "name": side["name"],
                "images_per_second": side["images_per_second"],
                "gflops": side["gflops"],
                "share_of_peak": side["share_of_peak"],
                "ratio": _ratio(training["ratios"].get(side["name"])),
            }
            for side in training["sides"]
        ]
        results.put("bench", name, {"sides": sides})


def _ratio(found: dict[str, float] | None) -> str:
    return "" if found is None else f"{found['median']:.2f} times ({found['low']:.2f}–{found['high']:.2f})"


def ways(results: Results, seconds: float) -> None:
    """Milliseconds of a forward and backward pass as a CUDA graph, recorded from eager layers or compiled ones."""
    ends = time.monotonic() + seconds
    for name, side, count in COMPILED:
        if ends - time.monotonic() < 30:
            return
        started = time.monotonic()
        network = create_model(name, in_channels=1, num_classes=10, input_size=side, seed=0).to(
            results.device
        )
        images = torch.rand(count, 1, side, side, device=results.device)
        with torch.autocast(results.device, torch.bfloat16):
            chosen = choose_compilation(network, images, record=record_on_cuda)
        milliseconds = {way: round(1000 * value, 3) for way, value in chosen.seconds.items()}
        took = round(time.monotonic() - started, 1)
        results.put(
            "ways",
            name,
            {"batch": count, "milliseconds": milliseconds, "chosen": chosen.way, "seconds": took},
        )


def record(results: Results, _seconds: float) -> None:
    """Seconds of speed/fashion-mnist-94 on random data of CIFAR-10's shape: speed only, nothing is learned."""
    recipe = get_recipe("speed/fashion-mnist-94")
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (50_000, 3, 32, 32), generator=generator, dtype=torch.uint8)
    data = ImageSet(pixels, torch.arange(50_000) % 10, [str(each) for each in range(10)], "random numbers")
    options = recipe.config.to_dict() | {"device": results.device, "validation": 0, "size": 32}
    config = TrainConfig.from_dict(options)
    arguments = dict(recipe.arguments)
    run_ = train(
        recipe.network, data, config, output=results.folder / "record", arguments=arguments, listeners=()
    )
    walls = [row["images_per_second_wall"] or 0.0 for row in run_.metrics]
    seconds = sum(row["seconds"] or 0.0 for row in run_.metrics)
    found = {
        "epochs": len(walls),
        "seconds": round(seconds, 1),
        "images_per_second": round(sorted(walls)[len(walls) // 2]),
    }
    results.put("record", "random data of CIFAR-10's shape", found)


def reproduce(results: Results, seconds: float, seeds: int) -> None:
    """The runs of the notes that take days on a processor, at full length, seed after seed."""
    ends = time.monotonic() + seconds
    folder = results.folder / "reproduction"
    for seed in range(seeds):
        for name in UNFINISHED:
            left = ends - time.monotonic()
            if left < 30:
                return
            options = [
                "--seeds",
                "1",
                "--first-seed",
                str(seed),
                "--device",
                results.device,
                "--resume",
                "--json",
            ]
            status, told = run(["-m", "convnets", "reproduce", name, *options, "--output", str(folder)], left)
            results.put(
                "reproduce", f"{name}-{seed}", _figures(folder / "runs" / f"{name}-{seed}", status, told)
            )


def _figures(folder: Path, status: int | None, told: str) -> dict[str, Any]:
    if status != 0:
        return {"exit": status, "told": told.strip().splitlines()[-1:]}
    from convnets import Run

    found = Run(folder)
    last = found.metrics[-1]
    return {
        "epochs": len(found.metrics),
        "test_accuracy": found.results["test"]["accuracy"],
        "train_loss": last["train_loss"],
        "train_accuracy": last["train_accuracy"],
        "images_per_second": last["images_per_second"],
        "images_per_second_wall": last["images_per_second_wall"],
        "seconds": sum(row["seconds"] or 0.0 for row in found.metrics),
    }


@contextmanager
def kept(results: Results, part: str) -> Iterator[None]:
    """A part that fails is written down, and the others go on."""
    started = time.monotonic()
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever it is, the other parts are worth having
        results.put(part, "failed", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    print(f"{part} took {time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description="Tests, speed and long runs on this machine's GPU.")
    parser.add_argument("--output", type=Path, default=Path("gpu"), help="folder for gpu.json and gpu.md")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run; all by default"
    )
    parser.add_argument("--minutes", type=float, default=9.5, help="bound on all parts together")
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the runs of the notes")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu to try the script")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("this PyTorch sees no CUDA device; --device cpu tries the script without one")
    results = Results(given.output.resolve(), given.device)
    ends = time.monotonic() + 60 * given.minutes
    steps = {
        "tests": tests,
        "bench": bench,
        "ways": ways,
        "record": record,
        "reproduce": lambda found, seconds: reproduce(found, seconds, given.seeds),
    }
    for done, part in enumerate(given.only):
        share = SHARES[part] / sum(SHARES[each] for each in given.only[done:])
        with kept(results, part):
            steps[part](results, share * (ends - time.monotonic()))
    names = [(key, str(value)) for key, value in results.found.items() if isinstance(value, str | None)]
    print(aligned(("what", "value"), names))
    print(f"results: {given.output}/gpu.md")


if __name__ == "__main__":
    main()
