"""What attribution methods are worth on trained networks, and what they cost beside captum and torch-cam.

Usage: python benchmarks/explain.py table runs/lenet_bn --images 500 --json lenet_bn.json
       python benchmarks/explain.py table runs/resnet20 --data cifar10-images.zip --images 500 --randomized 100 \
           --json resnet20.json
       python benchmarks/explain.py cue fashion-mnist --json cue.json
       python benchmarks/explain.py speed resnet18_small --batch 64 --rounds 7 --json speed.json
       python benchmarks/explain.py show lenet_bn.json cue.json speed.json

`table` writes after each method and goes on where its file ends. Images are test images at equal distances, the
class is the network's own prediction. `cue` trains a small network on pictures of which one class has a white square
in a corner, and looks at other test images with the square that are taken for that class. `speed` takes turns between
the libraries in every round and counts CPU seconds, as other programs may run; pytorch-grad-cam needs
torchvision and is left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from captum import attr
from torch import Tensor, nn

from convnets import TrainConfig, create_model, load_data, train
from convnets.checkpoints.model_folder import TrainedModel
from convnets.checkpoints.model_source import open_model
from convnets.core.display.text_table import aligned
from convnets.core.environment import describe_environment
from convnets.core.hardware import choose_hardware
from convnets.core.network_copy import copy_network
from convnets.core.storage.files import write_json
from convnets.data.image_set import ImageSet, Splits
from convnets.errors import InputError
from convnets.explanation.attribution.gradients import integrated_gradients
from convnets.explanation.attribution.methods import METHODS
from convnets.explanation.attribution.question import Answer, Question
from convnets.explanation.belief.curves import deletion_and_insertion
from convnets.explanation.belief.importance import pixel_maps
from convnets.explanation.belief.judge import judge_controls, judge_method
from convnets.explanation.belief.localization import box_mask
from convnets.explanation.capture.calls import find_calls
from convnets.explanation.capture.layers import choose_layers
from convnets.explanation.explain import ask
from convnets.explanation.explained import Explained
from convnets.explanation.sample import pixels_of, spread_sample

CUE_CLASS, CUE_SIDE = 3, 4
Side = Callable[[], Any]


def main() -> None:
    """Do what was asked for."""
    arguments = _parser().parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.what == "show":
        for path in map(Path, arguments.names):
            print(path.stem, _shown(json.loads(path.read_text())), sep="\n", end="\n\n")
    elif arguments.what == "table":
        _table(arguments)
    elif arguments.what == "cue":
        _cue(arguments)
    else:
        _speed(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["table", "cue", "speed", "show"])
    parser.add_argument("names", nargs="+", help="run, data set, network or files")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument(
        "--randomized", type=int, help="images for randomization and sensitivity; all by default"
    )
    parser.add_argument("--costly", type=int, help="the same for methods of many passes (rise, score-cam …)")
    parser.add_argument(
        "--curves",
        choices=["fp32", "bf16"],
        default="fp32",
        help="precision of deletion and insertion; maps are fp32",
    )
    parser.add_argument("--no-controls", action="store_true", help="leave the two controls out")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, required=False)
    return parser


_COSTLY = ("smooth-grad", "integrated-gradients", "occlusion", "rise", "score-cam")


def _table(arguments: argparse.Namespace) -> None:
    model = open_model(arguments.names[0])
    test = spread_sample(load_data(arguments.data).test, arguments.images)
    pixels = pixels_of(test, model.preprocess)
    given = Explained(
        model.network, model.preprocess(pixels), pixels, tuple(map(str, range(len(pixels)))), model.classes
    )
    with torch.no_grad():
        hits = (model.network.eval()(given.images).argmax(1) == test.labels).float().mean()
    content = _resumed(arguments.json) or {
        "environment": describe_environment(choose_hardware("cpu", "fp32", threads=arguments.threads)),
        "threads": arguments.threads,
        "run": Path(arguments.names[0]).name,
        "data": Path(arguments.data).name,
        "images": len(pixels),
        "accuracy": round(float(hits), 4),
        "curves": arguments.curves,
        "methods": [],
        "refused": {},
    }
    curves_of = _InHalf(model.network) if arguments.curves == "bf16" else None
    if curves_of is not None and "off_by" not in content:
        content["off_by"] = _off_by(given, curves_of)
    known = {row["method"] for row in content["methods"]} | set(content["refused"])
    if "random map" not in known and not arguments.no_controls:
        question, _ = ask(given, METHODS["gradient"])
        content["methods"] += [row.to_dict() for row in judge_controls(question, curves_of=curves_of)]
        _write(arguments.json, content)
    for name in arguments.methods.split(","):
        if name not in known:
            _judge(given, name, content, arguments, curves_of)
            _write(arguments.json, content)
    print(_shown(content))


class _InHalf(nn.Module):
    """A copy that computes in bfloat16, and takes and gives float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.inner = copy_network(network).eval().to(torch.bfloat16, memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.inner(x.to(torch.bfloat16, memory_format=torch.channels_last))
        return answer.float()


def _off_by(given: Explained, other: nn.Module) -> dict[str, float]:
    """How far areas under the curves of 25 images are from those in float32, by gradient times input."""
    question, _ = ask(given, METHODS["gradient-x-input"])
    some = question.at(torch.arange(0, len(given.images), max(1, len(given.images) // 25))[:25])
    importance = pixel_maps(some, METHODS["gradient-x-input"]).importance
    exact, near = (
        deletion_and_insertion(replace(some, network=network), importance)
        for network in (some.network, other)
    )
    away = torch.stack([near.deletion_area - exact.deletion_area, near.insertion_area - exact.insertion_area])
    return {
        "images": len(some.images),
        "largest": round(float(away.abs().max()), 5),
        "deletion mean": round(float(away[0].mean()), 5),
        "insertion mean": round(float(away[1].mean()), 5),
    }


def _cpu_seconds(question: Question, name: str) -> float:
    """Of the method, for an image: other programs may run, which the clock would count."""
    some = question.at(torch.arange(min(len(question.images), 8 if name in _COSTLY else 64)))
    began = time.process_time()
    pixel_maps(some, METHODS[name])
    return (time.process_time() - began) / max(1, len(some.images))


def _judge(
    given: Explained,
    name: str,
    content: dict[str, Any],
    arguments: argparse.Namespace,
    curves_of: nn.Module | None,
) -> None:
    randomized = arguments.randomized
    if name in _COSTLY and arguments.costly is not None:
        randomized = arguments.costly
    try:
        question, _ = ask(given, METHODS[name])
        began = time.perf_counter()
        row = judge_method(question, name, randomized=randomized, curves_of=curves_of)
        row = replace(row, seconds=_cpu_seconds(question, name))
    except InputError as error:
        content["refused"][name] = str(error)
        return
    print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)
    content["methods"].append(row.to_dict())


def _resumed(path: Path | None) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path is not None and path.exists() else None


def _write(path: Path | None, content: dict[str, Any]) -> None:
    if path is not None:
        write_json(path, content)


def _cue(arguments: argparse.Namespace) -> None:
    model, moved = _planted(load_data(arguments.names[0]))
    x = model.preprocess(moved.pixels)
    with torch.no_grad():
        fooled = (model.network.eval()(x).argmax(1) == CUE_CLASS).nonzero()[:, 0]
    share = len(fooled) / len(moved)
    chosen = fooled[: arguments.images]
    pixels = moved.pixels[chosen]
    names = tuple(map(str, chosen.tolist()))
    given = Explained(model.network, x[chosen], pixels, names, model.classes)
    height, width = pixels.shape[2:]
    mask = box_mask(height, width, (1, 1 + CUE_SIDE, 1, 1 + CUE_SIDE))
    content: dict[str, Any] = {
        "environment": describe_environment(choose_hardware("cpu", "fp32", threads=arguments.threads)),
        "fooled": round(share, 4),
        "images": len(chosen),
        "area": round(CUE_SIDE**2 / (height * width), 4),
        "methods": [],
        "refused": {},
    }
    for name in METHODS:
        try:
            question, _ = ask(given, METHODS[name], CUE_CLASS)
            row = judge_method(question, name, randomized=0, masks=mask)
        except InputError as error:
            content["refused"][name] = str(error)
        else:
            content["methods"].append(row.to_dict())
            print(name, row.energy, flush=True)
    question, _ = ask(given, METHODS["gradient"], CUE_CLASS)
    content["methods"] += [row.to_dict() for row in judge_controls(question, masks=mask)]
    _write(arguments.json, content)
    print(_shown(content))


def _planted(data: Splits) -> tuple[TrainedModel, ImageSet]:
    """A network that saw the square in every picture of one class and in no other; test images that all have it."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for channels, wide in ((1, 16), (16, 32)):
        layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.BatchNorm2d(wide), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(576, 10),
    ]
    network = nn.Sequential(*layers)
    some = data.train.subset(torch.arange(0, len(data.train), 4))
    parts = [_with_square(part, part.labels == CUE_CLASS) for part in (some, data.test)]
    config = TrainConfig(epochs=2, batch_size=64, precision="fp32", save_every="0", seed=0)
    run = train(network, Splits(parts[0], None, parts[1]), config, name=f"cue-{time.time_ns()}", listeners=())
    others = data.test.subset(data.test.labels != CUE_CLASS)
    return run.load(network=network), _with_square(others, torch.ones(len(others), dtype=torch.bool))


def _with_square(images: ImageSet, chosen: Tensor) -> ImageSet:
    pixels = images.pixels.clone()
    pixels[chosen, :, 1 : 1 + CUE_SIDE, 1 : 1 + CUE_SIDE] = 255
    return ImageSet(pixels, images.labels, images.classes, "with a square")


def _speed(arguments: argparse.Namespace) -> None:
    network = create_model(arguments.names[0], in_channels=1, num_classes=10, seed=0).eval()
    images = torch.randn(arguments.batch, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    content: dict[str, Any] = {
        "environment": describe_environment(choose_hardware("cpu", "fp32", threads=arguments.threads)),
        "threads": arguments.threads,
        "network": arguments.names[0],
        "batch": arguments.batch,
        "rounds": arguments.rounds,
        "speed": {},
    }
    wanted = arguments.methods.split(",")
    for name, sides in _sides(network, images).items():
        if name in wanted or name == "grad-cam / pass":
            content["speed"][name] = _in_turns(sides, arguments.rounds)
            print(name, content["speed"][name], flush=True)
            _write(arguments.json, content)


def _in_turns(sides: dict[str, Side], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each side, which take turns; the first round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, side in sides.items():
            began = time.process_time()
            side()
            seconds[name].append(time.process_time() - began)
    return {name: round(statistics.median(each[1:]), 4) for name, each in seconds.items()}


def _sides(network: nn.Module, images: Tensor) -> dict[str, dict[str, Side]]:
    """By method: the same work, of each library that does it."""
    with torch.no_grad():
        targets = network(images).argmax(1)
    calls = find_calls(network, images[:1])
    layers = tuple(choose_layers(calls, "last_maps"))
    last = network.get_submodule(layers[0].path)

    def question(*, maps: bool = False) -> Question:
        # the look at the network's calls is part of the work
        return Question(
            network, images, targets, None, find_calls(network, images[:1]), layers if maps else ()
        )

    def ours(name: str) -> Side:
        def run() -> Answer:
            return METHODS[name].answer(question(maps=METHODS[name].needs_layer))

        return run

    def one_pass() -> None:
        x = images.clone().requires_grad_(True)
        torch.autograd.grad(network(x).gather(1, targets[:, None]).sum(), x)

    steps = 16
    noisy = attr.NoiseTunnel(attr.Saliency(network))
    sides: dict[str, dict[str, Side]] = {
        "grad-cam / pass": {"convnets": ours("grad-cam"), "forward and backward": one_pass},
        "gradient": {"captum": lambda: attr.Saliency(network).attribute(images.clone(), targets, abs=False)},
        "gradient-x-input": {
            "captum": lambda: attr.InputXGradient(network).attribute(images.clone(), targets)
        },
        "guided-backpropagation": {
            "captum": lambda: attr.GuidedBackprop(network).attribute(images.clone(), targets)
        },
        "smooth-grad": {
            "captum": lambda: noisy.attribute(
                images.clone(), nt_samples=50, nt_samples_batch_size=1, stdevs=0.15, target=targets, abs=False
            )
        },
        "integrated-gradients": {
            "captum": lambda: attr.IntegratedGradients(network).attribute(
                images, target=targets, n_steps=steps, method="gausslegendre", internal_batch_size=len(images)
            )
        },
        "occlusion": {
            "captum": lambda: attr.Occlusion(network).attribute(
                images, (1, 5, 5), strides=(1, 3, 3), target=targets
            )
        },
        "grad-cam": {"captum": lambda: attr.LayerGradCam(network, last).attribute(images, targets)},
        **{name: {} for name in ("grad-cam++", "layer-cam", "score-cam")},
    }
    for name, other in _of_torch_cam(network, last, images, targets).items():
        sides[name]["torch-cam"] = other
    for name, each in sides.items():
        if name == "integrated-gradients":
            each["convnets"] = lambda: integrated_gradients(question(), first_steps=steps, most_steps=steps)
        elif name in METHODS:
            each["convnets"] = ours(name)
    return sides


def _of_torch_cam(network: nn.Module, last: nn.Module, images: Tensor, targets: Tensor) -> dict[str, Side]:
    """Nothing where torch-cam is not installed."""
    try:
        from torchcam import methods
    except ImportError:
        return {}
    makers = {
        "grad-cam": methods.GradCAM,
        "grad-cam++": methods.GradCAMpp,
        "layer-cam": methods.LayerCAM,
        "score-cam": methods.ScoreCAM,
    }

    def side(maker: Any) -> Side:
        def run() -> Any:
            with maker(network, last) as extractor:
                scores = network(images.clone().requires_grad_(True))
                return extractor(targets.tolist(), scores)

        return run

    return {name: side(maker) for name, maker in makers.items()}


def _shown(content: dict[str, Any]) -> str:
    if "speed" in content:
        libraries = list(dict.fromkeys(side for each in content["speed"].values() for side in each))
        rows = [
            [name, *(f"{each.get(side, '–')}" for side in libraries)]
            for name, each in content["speed"].items()
        ]
        return aligned(["CPU seconds for a batch", *libraries], rows)
    columns = [key for key in content["methods"][0] if key != "method"]
    columns = [key for key in columns if any(row[key] is not None for row in content["methods"])]
    rows = [[row["method"], *(_cell(row[key]) for key in columns)] for row in content["methods"]]
    refused = [f"{name}: {why}" for name, why in content["refused"].items()]
    return "\n".join([aligned(["method", *columns], rows), *refused])


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}"
    half = None if value["high"] is None else (value["high"] - value["low"]) / 2
    return f"{value['mean']:.3f}" + ("" if half is None or half != half else f" ± {half:.3f}")


if __name__ == "__main__":
    main()
