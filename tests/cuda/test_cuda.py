"""What a GPU computes, against the processor in float64; skipped where there is no CUDA device.

Run them with: pytest -m cuda
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets import (
    ImageIndex,
    ImageSet,
    Predictor,
    Run,
    TrainConfig,
    create_model,
    evaluate,
    load_data,
    train,
)
from convnets.acceleration import compilation
from convnets.acceleration.compilation import choose_compilation
from convnets.core.hardware import choose_hardware
from convnets.data.batches import Batch
from convnets.errors import TrainingError
from convnets.training.events import Event, KernelsChosen, Notice, StepEnded
from convnets.training.kernels import Kernels
from convnets.training.learner import Learner
from convnets.training.train import resume

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; run: pytest -m cuda"),
]
CONFIG = TrainConfig(epochs=3, batch_size=64, device="cuda", fast=False, augment=("crop:1",))


@pytest.fixture(scope="module")
def digits() -> Any:
    return load_data("digits")


def weights(run: Run) -> dict[str, Tensor]:
    return run.load().network.state_dict()


def error(found: Tensor, truth: Tensor) -> float:
    return float((found.detach().double().cpu() - truth).norm() / truth.norm())


@pytest.fixture(scope="module")
def trained(digits: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = replace(CONFIG, epochs=8, ema_decay=0.9)
    return train("lenet_bn", digits, config, output=tmp_path_factory.mktemp("trained"), listeners=())


def test_a_run_learns_and_its_model_answers_on_either_device(trained: Run, digits: Any) -> None:
    assert trained.status == "finished"
    assert trained.results["test"]["accuracy"] > 0.7
    pixels = digits.test.pixels[:50]
    there = Predictor.load(trained, hardware=choose_hardware("cuda", "fp32")).predict(pixels, top=10)
    here = Predictor.load(trained, hardware=choose_hardware("cpu", "fp32")).predict(pixels, top=10)
    assert [each.label for each in there] == [each.label for each in here]
    for one, other in zip(there, here, strict=True):
        assert dict(one.top) == pytest.approx(dict(other.top), abs=2e-3)


@pytest.mark.parametrize(
    ("name", "precision", "allowed"),
    [
        ("lenet_bn", "fp32", 2e-3),
        ("resnet20", "fp32", 2e-3),
        ("googlenet", "fp32", 2e-3),
        ("densenet_bc100", "fp32", 2e-3),
        ("lenet_bn", "bf16", 5e-2),
        ("resnet20", "bf16", 5e-2),
        ("googlenet", "bf16", 5e-2),
    ],
)
def test_one_step_is_the_step_in_float64(
    name: str, precision: str, allowed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    side = 64 if name == "googlenet" else 28 if name == "lenet_bn" else 32
    network = create_model(name, in_channels=1, num_classes=10, input_size=side, seed=0)
    exact = copy.deepcopy(network).double().train()
    config = TrainConfig(
        optimizer="sgd", learning_rate=1.0, momentum=0.0, weight_decay=0.0, schedule="constant", fast=False
    )
    before = {key: value.detach().double().clone() for key, value in network.named_parameters()}
    learner = Learner(network, config, choose_hardware("cuda", precision))
    images, labels = torch.rand(32, 1, side, side), torch.arange(32) % 10
    with learner.laid_out():
        learner.step(Batch(images.cuda(), labels.cuda(), torch.arange(32)), 0, 0, 0.0)
    loss = F.cross_entropy(exact(images.double()), labels)
    loss.backward()
    assert learner.loss == pytest.approx(loss.item(), rel=allowed)
    moved = torch.cat(
        [(before[key] - value.detach().double().cpu()).flatten() for key, value in network.named_parameters()]
    )
    truth = torch.cat([value.grad.flatten() for value in exact.parameters()])
    assert error(moved, truth) < 4 * allowed


def test_a_deterministic_run_goes_on_to_the_bit(digits: Any, tmp_path: Path) -> None:
    config = replace(CONFIG, deterministic=True, save_every="5")
    whole = train("lenet_bn", digits, config, output=tmp_path, name="whole", listeners=())

    def stop(event: Event) -> None:
        if isinstance(event, StepEnded) and event.epoch == 2:
            raise KeyboardInterrupt

    stopped = train("lenet_bn", digits, config, output=tmp_path, name="stopped", listeners=[stop])
    assert stopped.status == "interrupted"
    again = resume(stopped, data=digits, listeners=())
    assert again.metrics[-1]["train_loss"] == whole.metrics[-1]["train_loss"]
    assert all(
        torch.equal(a, b) for a, b in zip(weights(again).values(), weights(whole).values(), strict=True)
    )


def test_nothing_that_is_not_finite_reaches_the_weights(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    learner = Learner(network, replace(CONFIG, optimizer="sgd"), choose_hardware("cuda", "fp32"))
    before = copy.deepcopy(network.state_dict())
    images = torch.rand(8, 1, 8, 8, device="cuda")
    images[3, 0, 2, 2] = torch.nan
    batch = Batch(images, torch.arange(8, device="cuda"), torch.arange(8))

    def step_and_ask() -> None:  # the device decides by itself, and tells when it is asked
        learner.step(batch, 0, 0, 0.0)
        learner.guard.check("here")

    with pytest.raises(TrainingError, match="not finite"):
        step_and_ask()
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_batch_that_does_not_fit_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    learner = Learner(network, CONFIG, choose_hardware("cuda", "fp32"), say=told.append)
    whole = learner._backward

    def refuse(images: Tensor, targets: Tensor, share: float) -> Any:
        if len(images) > 4:
            torch.empty(1 << 50, device="cuda")  # PyTorch's own out-of-memory error
        return whole(images, targets, share)

    monkeypatch.setattr(learner, "_backward", refuse)
    images = torch.rand(16, 1, 8, 8, device="cuda")
    learner.step(Batch(images, torch.arange(16, device="cuda") % 10, torch.arange(16)), 0, 0, 0.0)
    assert learner.parts == 4
    assert len(told) == 2


@pytest.mark.parametrize("objective", ["triplet", "contrastive", "multi-similarity"])
def test_vectors_are_learned(objective: str, digits: Any, tmp_path: Path) -> None:
    run = train("lenet_bn", digits, replace(CONFIG, objective=objective), output=tmp_path, listeners=())
    assert run.metrics[-1]["validation_accuracy"] > 0.5


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_every_optimizer_learns(optimizer: str, digits: Any, tmp_path: Path) -> None:
    run = train(
        "lenet_bn", digits, replace(CONFIG, optimizer=optimizer, mixup=0.1), output=tmp_path, listeners=()
    )
    assert run.metrics[-1]["validation_accuracy"] > 0.5


def test_health_is_measured(digits: Any, tmp_path: Path) -> None:
    assert (
        train(
            "lenet_bn", digits, replace(CONFIG, epochs=1, health=True), output=tmp_path, listeners=()
        ).status
        == "finished"
    )


def test_the_chosen_way_computes_what_eager_does() -> None:
    network = create_model("lenet_bn", in_channels=1, num_classes=10, seed=0).cuda()
    images = torch.rand(64, 1, 28, 28, device="cuda")
    chosen = choose_compilation(network, images)
    assert set(chosen.seconds) >= {"eager"}
    other = copy.deepcopy(network)
    torch.testing.assert_close(chosen.forward(images), other(images), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(chosen.forward(images[:10]), other(images[:10]), rtol=1e-3, atol=1e-3)


def with_dropout() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 5), nn.ReLU(), nn.Dropout(), nn.Flatten(), nn.Linear(3136, 10))


@pytest.mark.parametrize("name", ["lenet_bn", "resnet20", "dropout"])
def test_steps_recorded_as_a_graph_are_the_steps_of_plain_layers(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(compilation, "compilations", lambda: {"eager": lambda network: network})
    config = TrainConfig(optimizer="sgd", learning_rate=0.01, schedule="constant", label_smoothing=0.1)
    told: list[str] = []
    learners = [
        Learner(
            with_dropout()
            if name == "dropout"
            else create_model(name, in_channels=1, num_classes=10, input_size=32, seed=0),
            replace(config, fast=fast),
            choose_hardware("cuda", "fp32"),
            kernels,
        )
        for fast, kernels in (
            (True, Kernels(choose_hardware("cuda", "fp32"), told.append)),
            (False, None),
        )
    ]
    began = {key: each.detach().clone() for key, each in learners[0].network.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    for step in range(6):
        images, labels = torch.rand(32 - 4 * (step == 3), 1, 32, 32, generator=generator), torch.arange(32)
        for learner in learners:
            targets = labels[: len(images)].cuda() % 10
            learner.step(Batch(images.cuda(), targets, labels[: len(images)]), 0, step, 0.0)
    assert any("recorded as a CUDA graph: small" in line for line in told)
    fast, plain = learners
    assert fast.loss == pytest.approx(plain.loss, rel=1e-4)
    moved = [
        torch.cat(
            [(each.detach() - began[key]).flatten() for key, each in learner.network.named_parameters()]
        )
        for learner in learners
    ]
    assert error(moved[0], moved[1].double().cpu()) < 8e-3
    for one, other in zip(fast.network.buffers(), plain.network.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_what_cannot_be_recorded_is_trained_as_usual() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4, momentum=None), nn.Flatten(), nn.Linear(144, 10)
    )
    told: list[str] = []
    hardware = choose_hardware("cuda", "fp32")
    learner = Learner(network, TrainConfig(), hardware, Kernels(hardware, told.append))
    images, labels = torch.rand(16, 1, 8, 8).cuda(), torch.arange(16).cuda() % 10
    losses = []
    for step in range(30):
        learner.start_epoch()
        learner.step(Batch(images, labels, torch.arange(16)), 0, step, 0.0)
        losses.append(learner.loss)
    assert losses[-1] < losses[0]
    assert sum("not recorded" in line for line in told) == 1


def test_a_fast_run_says_which_way_it_takes(digits: Any, tmp_path: Path) -> None:
    told: list[Event] = []
    train("lenet_bn", digits, replace(CONFIG, epochs=2, fast=True), output=tmp_path, listeners=[told.append])
    messages = [each.message for each in told if isinstance(each, Notice)]
    assert "training eager" in messages  # too short a run for a compiler
    assert any(message.startswith("steps are recorded as a CUDA graph") for message in messages)
    assert not any(isinstance(each, KernelsChosen) for each in told)


def test_evaluation_equals_the_processors(trained: Run, digits: Any) -> None:
    model = trained.load(device="cuda")
    there = evaluate(model.network, digits.test, model.preprocess, hardware=choose_hardware("cuda", "fp32"))
    here = evaluate(trained.load().network, digits.test, model.preprocess)
    torch.testing.assert_close(there.probabilities, here.probabilities, rtol=1e-2, atol=2e-3)


def test_an_index_finds_what_the_processor_finds(trained: Run, digits: Any) -> None:
    images: ImageSet = digits.test
    there = ImageIndex.build(trained.load(device="cuda"), images, hardware=choose_hardware("cuda", "fp32"))
    here = ImageIndex.build(trained, images, hardware=choose_hardware("cpu", "fp32"))
    assert error(there.vectors, here.vectors.double()) < 2e-3
    for place in range(5):
        found = [hits.search(images.pixels[place], 3)[0].path for hits in (there, here)]
        assert found[0] == found[1]


def test_the_books_names_find_the_device(tmp_path: Path) -> None:
    from convnets import d2l

    assert d2l.try_gpu().type == "cuda"
    assert d2l.try_all_gpus()
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    data = [(torch.rand(32, 1, 8, 8), torch.arange(32) % 10)] * 3
    d2l.train_ch6(net, data, data, 1, 0.1, d2l.try_gpu())
    assert next(net.parameters()).is_cuda
