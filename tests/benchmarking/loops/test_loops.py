"""The loops: the same arithmetic on the same images, and each of them learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from convnets.benchmarking.loops.compiled_loop import CompiledLoop
from convnets.benchmarking.loops.hand_tuned_loop import HandTunedLoop
from convnets.benchmarking.loops.own_inference import OwnInference
from convnets.benchmarking.loops.own_loop import OwnLoop
from convnets.benchmarking.loops.plain_inference import PlainInference
from convnets.benchmarking.loops.standard_loop import PictureDataset, StandardLoop
from convnets.benchmarking.workload import Workload, build_network, load_images, plain_hardware
from convnets.errors import ConfigError

Make = Callable[..., Workload]

# PyTorch's advice on the number of loader processes; Python's on forking a process that has threads
pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning"),
]
LOOPS = (StandardLoop, HandTunedLoop, OwnLoop)


def losses_in_float64(workload: Workload, images: Tensor, labels: Tensor, steps: int) -> list[float]:
    """Plain gradient descent in double precision, written out."""
    network = build_network(workload, load_images(workload)).double()
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(network(images.double()), labels)
        network.zero_grad()
        loss.backward()
        with torch.no_grad():
            for weight in network.parameters():
                weight -= workload.learning_rate * weight.grad
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("network", ["lenet", "lenet_bn"])
def test_every_loop_takes_the_step_of_plain_gradient_descent(workload: Make, network: str) -> None:
    task = workload(network)
    hand_tuned = HandTunedLoop(task)
    images, labels = hand_tuned.prepare(torch.arange(64))
    expected = losses_in_float64(task, images, labels, steps=3)
    standard, own = StandardLoop(task), OwnLoop(task)
    found = {
        "standard": [standard.step(images.contiguous(), labels)[1].item() for _ in range(3)],
        "hand-tuned": [hand_tuned.step(images, labels)[1].item() for _ in range(3)],
        "convnets": [own.step(images, labels).item() for _ in range(3)],
    }
    assert expected[2] != pytest.approx(expected[0], rel=1e-3)  # the steps moved the weights
    for name, losses in found.items():
        assert losses == pytest.approx(expected, rel=2e-5), name


@pytest.mark.parametrize(("size", "tolerance"), [(8, 0.0), (28, 1 / 255), (5, 1 / 255)])
def test_every_loop_sees_the_same_images(workload: Make, size: int, tolerance: float) -> None:
    """Up to a gray level: Pillow rounds what it resizes."""
    task = workload("softmax", size=size)
    dataset = PictureDataset(load_images(task), size)
    standard = torch.stack([dataset[index][0] for index in range(50)])
    hand_tuned, labels = HandTunedLoop(task).prepare(torch.arange(50))
    own = OwnLoop(task)
    ours = own.task.preprocess(own.task.train.pixels[:50])
    assert (
        [dataset[index][1] for index in range(50)] == labels.tolist() == own.task.train.labels[:50].tolist()
    )
    for images in (hand_tuned, ours):
        assert images.shape == standard.shape == (50, 1, size, size)
        assert (images - standard).abs().max() <= tolerance + 1e-6
    assert hand_tuned.is_contiguous(memory_format=torch.channels_last)


def test_color_pictures_keep_their_channels() -> None:
    from convnets.data.image_set import ImageSet

    pixels = torch.randint(256, (3, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    dataset = PictureDataset(ImageSet(pixels, torch.tensor([0, 1, 0]), ("a", "b"), "x"), 4)
    assert torch.equal(dataset[1][0], pixels[1] / 255)


@pytest.mark.parametrize("loop", LOOPS)
def test_every_loop_learns(workload: Make, loop: Any) -> None:
    side = loop(workload("mlp", learning_rate=0.1))
    first, _, last = (side.run(steps) for steps in (3, 40, 3))
    assert first.loss > 1.5
    assert last.loss < 0.8 * first.loss


@pytest.mark.parametrize("loop", LOOPS)
def test_a_slice_may_span_epochs_and_counts_what_it_saw(workload: Make, loop: Any) -> None:
    side = loop(workload("softmax", size=8, batch_size=1000, learning_rate=0.1))  # 1,437 images: 2 steps
    works = [side.run(steps) for steps in (1, 3)]
    assert [work.images for work in works] == [1000, 437 + 1437]
    for work in works:
        assert 0 <= work.waiting_seconds <= work.seconds


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method.:DeprecationWarning")  # of the compiler itself
def test_a_compiled_network_takes_the_hand_tuned_step(workload: Make) -> None:
    task = workload("softmax", size=8, batch_size=1000)
    plain, compiled = HandTunedLoop(task), CompiledLoop(task)
    for count in (1000, 437):
        images, labels = plain.prepare(torch.arange(count))
        expected = [plain.step(images, labels)[1].item() for _ in range(3)]
        assert [compiled.step(images, labels)[1].item() for _ in range(3)] == pytest.approx(expected, 1e-5)


@pytest.mark.parametrize("loop", [OwnInference, PlainInference])
def test_inference_judges_the_images_with_the_untrained_network(workload: Make, loop: Any) -> None:
    task = workload("lenet_bn", batch_size=100)
    work = loop(task).run(15)  # 1,500 images: the first 63 come twice
    hand_tuned = HandTunedLoop(task)
    images, labels = hand_tuned.prepare(torch.arange(1500) % 1437)
    network = build_network(task, load_images(task)).eval().double()
    with torch.no_grad():
        expected = F.cross_entropy(network(images.double()), labels)
    assert work.images == 1500
    assert work.loss == pytest.approx(expected.item(), rel=1e-4)


def test_the_plain_loops_run_in_a_process_with_pytorchs_own_settings(warm_python: Any) -> None:
    code = """
import sys
from convnets.benchmarking.loops.hand_tuned_loop import HandTunedLoop
from convnets.benchmarking.loops.plain_inference import PlainInference
from convnets.benchmarking.loops.standard_loop import StandardLoop
from convnets.benchmarking.workload import Workload
from convnets.core.memory import keep_freed_memory
workload = Workload("softmax", "digits", 8, 64, 0.1, device="cpu", precision="bf16", threads=1)
for loop in (StandardLoop, HandTunedLoop, PlainInference):
    loop(workload).run(1)
assert keep_freed_memory.cache_info().currsize == 0
print([name for name in sys.modules if name.startswith(("convnets.kernels", "convnets.acceleration"))])
"""
    found = warm_python.run("-c", code)
    assert (found.returncode, found.stdout) == (0, "[]\n"), found.stderr


def test_plain_loops_take_no_open_choices(workload: Make) -> None:
    with pytest.raises(ConfigError, match="leaves hardware open"):
        plain_hardware(workload(precision="auto"))
    settled = workload(precision="auto", threads=None, device="auto").settled()
    assert plain_hardware(settled).precision in ("fp32", "bf16")
    assert Workload.from_dict(settled.to_dict()) == settled
