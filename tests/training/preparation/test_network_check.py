"""Networks of one's own, as people bring them: trained where that can work, refused in one line where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import prune

from convnets import ImageSet, Run, TrainConfig, evaluate, train
from convnets.core.hardware import Hardware, bf16_is_native
from convnets.errors import ConvnetsError, UsageError
from convnets.training.events import Event, Notice
from convnets.training.preparation.network_check import check_network

CPU = torch.device("cpu")


def images(n: int = 60) -> ImageSet:
    """Class k has a bright square in corner k: one layer tells them apart."""
    pixels = torch.randint(0, 60, (n, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.arange(n) % 3
    for k, (row, column) in enumerate(((0, 0), (0, 4), (4, 0))):
        pixels[labels == k, :, row : row + 4, column : column + 4] += 150
    return ImageSet(pixels, labels, ("a", "b", "c"), "corners")


def layers(outputs: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, outputs))


class Around(nn.Module):
    """`layers()` with something done to the answer."""

    def __init__(self, change: Callable[[Tensor], Any], outputs: int = 3) -> None:
        super().__init__()
        self.inner, self.change = layers(outputs), change

    def forward(self, x: Tensor) -> Any:
        return self.change(self.inner(x))


def run(network: nn.Module, folder: Path, **options: Any) -> tuple[Run, list[str]]:
    told: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Notice):
            told.append(event.message)

    given = {"epochs": 3, "batch_size": 10, "learning_rate": 0.01} | options
    return train(network, images(), TrainConfig(**given), output=folder, listeners=[listen]), told


class Lines(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.line = nn.Conv2d(1, 4, 3), nn.Linear(144, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.line(self.conv(x).view(x.shape[0], -1))  # fails on maps with their channels last


def pooled() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 12, 5), nn.ReLU(), nn.Conv2d(12, 3, 4))  # N×3×1×1


def deep() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Unflatten(1, (1, 1)), nn.Conv3d(1, 4, (1, 3, 3)), nn.Flatten(), nn.Linear(144, 3))


def lazy() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))


WORKS: dict[str, Callable[[], nn.Module]] = {
    "a view of the maps": Lines,
    "DataParallel": lambda: nn.DataParallel(layers()),
    "lazy layers": lazy,
    "a tuple of one": lambda: Around(lambda y: (y,)),
    "a dict with logits": lambda: Around(lambda y: {"logits": y, "more": None}),
    "N×K×1×1": pooled,
    "Conv3d": deep,
}


@pytest.mark.parametrize("name", WORKS)
def test_what_can_work_works(name: str, tmp_path: Path) -> None:
    network = WORKS[name]()
    found, _ = run(network, tmp_path)
    assert found.status == "finished"
    assert found.metrics[-1]["train_accuracy"] > 0.9
    bare = network.module if isinstance(network, nn.DataParallel) else network
    assert all(p.is_contiguous() for p in bare.parameters())
    assert not any(key.startswith("module.") for key in found.load(network=bare).network.state_dict())


def pruned() -> nn.Module:
    network = layers()
    prune.random_unstructured(network[0], "weight", 0.5)
    return network


def old_weight_norm() -> nn.Module:
    network = layers()
    with pytest.warns(FutureWarning, match="weight_norm"):
        nn.utils.weight_norm(network[0])
    return network


@pytest.mark.parametrize("make", [pruned, old_weight_norm])
def test_running_averages_of_networks_that_compute_their_weights(
    make: Callable[[], nn.Module], tmp_path: Path
) -> None:
    network = make()
    found, _ = run(network, tmp_path, ema_decay=0.9)
    assert found.status == "finished"
    if make is pruned:
        assert (network[0].weight == 0).float().mean() == pytest.approx(0.5, abs=0.05)  # type: ignore[index]


def frozen() -> nn.Module:
    return layers().requires_grad_(False)


def in_inference() -> nn.Module:
    with torch.inference_mode():
        return layers()


def complex_weights() -> nn.Module:
    network = layers()
    network.phase = nn.Parameter(torch.zeros(2, dtype=torch.complex64))  # type: ignore[assignment]
    return network


REFUSED: dict[str, tuple[Callable[[], nn.Module], list[str]]] = {
    "fewer classes": (lambda: layers(2), ["2 numbers", "3 classes", "3 outputs"]),
    "more classes": (lambda: layers(5), ["5 numbers", "3 classes", "3 outputs"]),
    "a tuple of two": (lambda: Around(lambda y: (y, y)), ["a tuple of 2", "allowed: logits N×K"]),
    "a dict without logits": (lambda: Around(lambda y: {"out": y}), ["a dict with 'out'", "'logits'"]),
    "None": (lambda: Around(lambda y: None), ["answers with None", "allowed: logits N×K"]),
    "detached": (lambda: Around(lambda y: y.detach()), ["does not depend on its parameters", "detach()"]),
    "maps": (lambda: Around(lambda y: y[:, :, None, None].expand(-1, -1, 2, 2)), ["2×3×2×2", "N×K"]),
    "one row for all": (lambda: Around(lambda y: y.mean(0, keepdim=True)), ["1 rows for 2 images"]),
    "frozen": (frozen, ["all 4 parameters", "frozen", "requires_grad_(True)"]),
    "nothing to learn": (lambda: nn.Flatten(), ["no parameters", "nothing to train"]),
    "double": (lambda: layers().double(), ["torch.float64", "allowed: torch.float32", "network.float()"]),
    "bfloat16": (lambda: layers().bfloat16(), ["torch.bfloat16", "network.float()"]),
    "complex": (complex_weights, ["phase", "complex64", "allowed: torch.float32"]),
    "inference mode": (in_inference, ["inference_mode", "build the network outside"]),
    "another size": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(100, 3)),
        ["fails on images 1×8×8", "shapes cannot be multiplied"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_before_a_folder_is_made(name: str, tmp_path: Path) -> None:
    make, parts = REFUSED[name]
    with pytest.raises(UsageError) as caught:
        run(make(), tmp_path / "runs")
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in parts), message
    assert not (tmp_path / "runs").exists()


def test_another_default_type_is_refused(tmp_path: Path) -> None:
    network = layers()
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(UsageError, match=r"default type is torch\.float64; allowed: torch\.float32"):
            run(network, tmp_path / "runs")
        assert evaluate(network, images(), run_preprocess()).images == 60
    finally:
        torch.set_default_dtype(torch.float32)


def run_preprocess() -> Any:
    from convnets.data.preprocess import Preprocess

    return Preprocess(1, 8, 8, (0.3,), (0.2,))


@pytest.mark.parametrize("switch", [torch.no_grad, torch.inference_mode])
def test_gradients_switched_off_around_the_call_do_not_stop_training(switch: Any, tmp_path: Path) -> None:
    network = layers()
    with switch():
        found, _ = run(network, tmp_path)
    assert found.metrics[-1]["train_accuracy"] > 0.9


class NoBfloat16(nn.Module):
    """NumPy has no bf16, so that `.numpy()` fails under autocast."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers()

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        return y * float(1 + 0 * y.detach().numpy().mean())


class Bicubic(nn.Module):
    """An operation that PyTorch may lack in bf16 on some devices; here it is made to."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers()

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner[0](x)
        if y.dtype is torch.bfloat16:
            raise NotImplementedError("\"upsample_bicubic2d\" not implemented for 'BFloat16'")
        return self.inner[1:](F.interpolate(y, scale_factor=1.0, mode="bicubic"))


@pytest.mark.parametrize("kind", [NoBfloat16, Bicubic])
def test_a_network_without_bf16_trains_in_float32_with_a_notice(
    kind: type[nn.Module], tmp_path: Path
) -> None:
    found = check_network(kind(), (1, 8, 8), 3, Hardware(CPU, torch.bfloat16, 1, automatic=True))
    assert found.hardware.precision == "fp32"
    assert "float32" in found.notices[0]
    assert "\n" not in found.notices[0]
    with pytest.raises(UsageError, match="precision='fp32' or 'auto'"):
        check_network(kind(), (1, 8, 8), 3, Hardware(CPU, torch.bfloat16, 1))
    finished, told = run(kind(), tmp_path, epochs=1)
    assert finished.status == "finished"
    assert sum("float32" in each for each in told) == int(bf16_is_native(CPU))


def test_the_check_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Flatten(), nn.Linear(144, 3)
    )
    network[1].eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    check_network(network, (1, 8, 8), 3, Hardware(CPU, torch.float32, 1))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert [module.training for module in network] == [True, False, True, True, True]
    assert all(p.grad is None for p in network.parameters())


def test_an_error_of_our_own_inside_forward_keeps_its_words() -> None:
    def fail(_: Tensor) -> Tensor:
        raise ConvnetsError("of our own")

    with pytest.raises(ConvnetsError, match=r"^of our own$"):
        check_network(Around(fail), (1, 8, 8), 3, Hardware(CPU, torch.float32, 1))
