"""Whole runs: what they leave, how they end, and that a resumed one is the one that never stopped."""

from __future__ import annotations

import csv
import functools
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.checkpoints.model_folder import load_model
from convnets.checkpoints.state_folder import StateFolder
from convnets.data.image_set import ImageSet, Splits
from convnets.data.sources import load_data
from convnets.errors import (
    ConfigError,
    ConvnetsError,
    DataError,
    InputError,
    ModelFolderError,
    RunError,
    TrainingError,
    UsageError,
)
from convnets.evaluation.evaluate import evaluate
from convnets.evaluation.evaluation import Evaluation
from convnets.models.catalogue import create_model
from convnets.models.papers import resnet_cifar
from convnets.training import timing
from convnets.training.config import TrainConfig
from convnets.training.events import (
    EpochEnded,
    EpochStarted,
    Evaluated,
    Event,
    RunStarted,
    StepEnded,
    StopRun,
)
from convnets.training.learner import Learner
from convnets.training.recording import finalize
from convnets.training.runs.run import Run
from convnets.training.task import Task
from convnets.training.train import resume, train

QUICK = TrainConfig(epochs=3, batch_size=64, precision="fp32")


def quick(network: Any = "mlp", data: Any = "digits", config: TrainConfig = QUICK, **more: Any) -> Run:
    return train(network, data, config, listeners=more.pop("listeners", ()), **more)


def weights(run: Run) -> dict[str, Tensor]:
    return run.load().network.state_dict()


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class StopAfter:
    """A listener that stops the run once an epoch or step is done."""

    def __init__(self, kind: type[Event], epoch: int) -> None:
        self.kind, self.epoch = kind, epoch

    def __call__(self, event: Event) -> None:
        if isinstance(event, self.kind) and event.epoch == self.epoch:  # type: ignore[attr-defined]
            raise StopRun


def test_a_run_leaves_plain_files_that_say_all(tmp_path: Path) -> None:
    events: list[Event] = []
    run = quick(output=tmp_path, listeners=[events.append])
    assert run.path == tmp_path / "mlp-digits-1"
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "config.json",
        "environment.json",
        "metrics.csv",
        "events.jsonl",
        "model",
        "state",
        "report.html",
    }
    assert run.status == "finished"
    assert run.config == QUICK
    with (run.path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    ended = [event for event in events if isinstance(event, EpochEnded)]
    assert [float(row["validation_accuracy"]) for row in rows] == [
        event.validation_accuracy for event in ended
    ]
    assert {"torch", "numpy", "python"} <= run.environment["versions"].keys()
    logged = [json.loads(line)["event"] for line in (run.path / "events.jsonl").read_text().splitlines()]
    assert logged[0] == "RunStarted"
    assert logged[-2:] == ["Evaluated", "RunEnded"]
    assert "StepEnded" not in logged
    assert any(isinstance(event, StepEnded) for event in events)


def test_the_best_epoch_is_kept_and_the_test_set_is_asked_once(tmp_path: Path) -> None:
    events: list[Event] = []
    config = replace(QUICK, epochs=8, learning_rate=0.03)
    run = quick("lenet_bn", config=config, output=tmp_path, listeners=[events.append])
    rows = run.metrics
    scores = [(row["validation_accuracy"], -(row["validation_loss"] or 0)) for row in rows]
    best = scores.index(max(scores)) + 1
    assert run.results["epoch"] == best
    assert [row["best"] for row in rows][best - 1] == 1
    tests = [event for event in events if isinstance(event, Evaluated)]
    assert len(tests) == 1
    model = run.load()
    again = evaluate(model.network, load_data("digits").test, model.preprocess)  # type: ignore[arg-type]
    assert again.accuracy == tests[0].accuracy == run.results["test"]["accuracy"]
    assert run.results["validation"]["accuracy"] == max(scores)[0]


def test_without_validation_the_last_weights_are_kept(tmp_path: Path) -> None:
    events: list[Event] = []
    run = quick(config=replace(QUICK, validation=0.0), output=tmp_path, listeners=[events.append])
    started = events[0]
    assert isinstance(started, RunStarted)
    assert (started.train_images, started.validation_images) == (1437, 0)
    assert run.results["epoch"] == 3
    assert "validation" not in run.results
    assert all(row["validation_accuracy"] is None for row in run.metrics)


def test_the_loop_is_the_plain_loop_of_a_text_book(tmp_path: Path) -> None:
    """The same losses as a dozen lines of PyTorch over the same batches, to the last bit but a few."""
    config = TrainConfig(
        epochs=2,
        batch_size=256,
        optimizer="sgd",
        learning_rate=0.5,
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
        validation=0.0,
        normalize=False,
        precision="fp32",
        initializer="xavier-uniform",
    )
    rows = quick("lenet_bn", config=config, output=tmp_path).metrics

    from convnets.core.seeds import derive_seed
    from convnets.layers.initialization.initialize import initialize

    digits = load_data("digits").train
    net = create_model("lenet_bn", seed=derive_seed(0, "network"))
    initialize(net, "xavier-uniform", seed=derive_seed(0, "weights"))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    images = F.interpolate(digits.pixels.float() / 255, size=28, mode="bilinear")
    for epoch, row in enumerate(rows):
        order = torch.randperm(1437, generator=torch.Generator().manual_seed(derive_seed(0, "order", epoch)))
        total = 0.0
        for indices in order.split(256):
            loss = F.cross_entropy(net(images[indices]), digits.labels[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(indices)
        assert row["train_loss"] == pytest.approx(total / 1437, rel=1e-4)


FULL = TrainConfig(
    epochs=4,
    batch_size=64,
    augment=("crop:1", "erasing"),
    mixup=0.3,
    ema_decay=0.9,
    label_smoothing=0.1,
    precision="auto",
)


@pytest.mark.parametrize("network", ["lenet_bn", "resnet20"])
@pytest.mark.parametrize("stops", [(1,), (1, 2, 3)])
def test_a_resumed_run_is_the_run_that_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, stops: tuple[int, ...]
) -> None:
    # one block a stage, not three: the same parts, and a third of the work
    monkeypatch.setattr(resnet_cifar, "resnet20", functools.partial(resnet_cifar.ResNetCIFAR, 1))
    data = load_data("digits")
    few = Splits(data.train.subset(range(300)), test=data.test)
    config = replace(FULL, size=28 if network == "lenet_bn" else 8)
    whole = quick(network, few, config, output=tmp_path, name="whole")
    stopped = quick(
        network, few, config, output=tmp_path, name="stopped", listeners=[StopAfter(EpochEnded, stops[0])]
    )
    for epoch in stops[1:]:
        assert stopped.status == "interrupted"
        stopped = resume(stopped, data=few, listeners=[StopAfter(EpochEnded, epoch)])
    stopped = resume(stopped, data=few, listeners=())
    assert stopped.status == whole.status == "finished"
    timeless = (
        "epoch",
        "learning_rate",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
        "best",
    )
    for ours, theirs in zip(stopped.metrics, whole.metrics, strict=True):
        assert [ours[key] for key in timeless] == [theirs[key] for key in timeless]
    assert same(weights(stopped), weights(whole))
    assert stopped.results["test"] == whole.results["test"]


def test_a_run_stopped_inside_an_epoch_goes_on_at_the_next_step(tmp_path: Path) -> None:
    config = replace(QUICK, batch_size=64, save_every="3")
    whole = quick("lenet_bn", config=config, output=tmp_path, name="whole")
    stopped = quick(
        "lenet_bn", config=config, output=tmp_path, name="stopped", listeners=[StopAfter(StepEnded, 2)]
    )
    assert stopped.status == "interrupted"
    assert len(stopped.metrics) == 1
    state, _ = StateFolder(stopped.state_folder).load()
    assert (state.epochs, state.step > 0) == (1, True)
    events: list[Event] = []
    resume(stopped, listeners=[events.append])
    assert next(event for event in events if isinstance(event, EpochStarted)).first_step == state.step
    assert same(weights(stopped), weights(whole))
    assert [row["epoch"] for row in stopped.metrics] == [1, 2, 3]


def test_an_interrupted_run_is_usable(tmp_path: Path) -> None:
    run = quick(output=tmp_path, listeners=[StopAfter(EpochEnded, 2)])
    assert run.status == "interrupted"
    assert load_model(run.model_folder).classes == tuple("0123456789")
    assert "interrupted after 2 epochs" in run.report.read_text()
    assert "test" not in run.results


def test_even_a_run_interrupted_in_its_first_epoch_is_usable(tmp_path: Path) -> None:
    run = quick(output=tmp_path, listeners=[StopAfter(StepEnded, 1)])
    assert run.status == "interrupted"
    assert run.load().network(torch.zeros(1, 1, 28, 28)).shape == (1, 10)
    assert resume(run, listeners=()).status == "finished"


def test_resuming_a_finished_run_is_refused(tmp_path: Path) -> None:
    run = quick(config=replace(QUICK, epochs=1), output=tmp_path)
    with pytest.raises(RunError, match=r"has ended \(finished\)"):
        resume(run)


def test_resuming_on_other_images_is_refused(tmp_path: Path) -> None:
    data = load_data("digits")
    run = quick(data=data, output=tmp_path, listeners=[StopAfter(EpochEnded, 1)])
    with pytest.raises(RunError, match="trained on data from memory"):
        resume(run)
    data.train.pixels[0, 0, 0, 0] ^= 1
    with pytest.raises(RunError, match="have changed"):
        resume(run, data=data)


def test_a_network_of_ones_own_trains_and_resumes(tmp_path: Path) -> None:
    def make() -> nn.Module:
        torch.manual_seed(5)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    whole = quick(make(), output=tmp_path, name="whole")
    run = quick(make(), output=tmp_path, name="own", listeners=[StopAfter(EpochEnded, 2)])
    run = resume(run, network=make(), listeners=())
    assert run.network_name == "Sequential"
    own = run.load(network=make()).network.state_dict()
    assert same(own, load_model(whole.model_folder, network=make()).network.state_dict())
    with pytest.raises(ConvnetsError, match="outside the catalogue"):
        run.load()


def test_a_changed_network_of_the_catalogue_is_judged_as_it_was_trained(tmp_path: Path) -> None:
    network = create_model("lenet", input_size=16, seed=0)
    network.convolutions[1], network.convolutions[4] = nn.ReLU(), nn.ReLU()
    data = load_data("digits")
    run = quick(network, data, replace(QUICK, size=16), output=tmp_path)
    with pytest.raises(ModelFolderError, match=r"outside the catalogue; pass it: load_model\(…, network=…\)"):
        run.load()
    trained = run.load(network=network)
    assert data.test is not None
    found = evaluate(trained.network, data.test, trained.preprocess)
    assert found.accuracy == run.results["test"]["accuracy"]


def test_early_stopping_counts_epochs_without_a_better_one(tmp_path: Path) -> None:
    config = replace(QUICK, epochs=30, patience=2, learning_rate=0.0, schedule="constant")
    run = quick(config=config, output=tmp_path)
    assert run.status == "patience"
    assert len(run.metrics) == 3
    assert run.results["epoch"] == 1


class MadeUpTime:
    """A clock on which a step takes a second and validation as long as a forward pass: a third of the step's time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, batch_size: int) -> None:
        self.now = 0.0
        step, judge = Learner.step, finalize.evaluate_on

        def timed_step(learner: Learner, *arguments: Any) -> None:
            step(learner, *arguments)
            self.now += 1.0

        def timed_judge(task: Task, network: nn.Module, images: ImageSet) -> Evaluation:
            self.now += len(images) / batch_size / 3
            return judge(task, network, images)

        monkeypatch.setattr(timing, "time", self)
        monkeypatch.setattr(Learner, "step", timed_step)
        monkeypatch.setattr("convnets.training.execution.evaluate_on", timed_judge)

    def perf_counter(self) -> float:
        return self.now


def test_the_time_budget_ends_the_run_with_the_rate_at_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = MadeUpTime(monkeypatch, batch_size=64)
    run = quick(config=replace(QUICK, epochs=100_000, max_minutes=1.0), output=tmp_path)
    assert run.status == "time budget"
    assert 58 < time.now < 61  # the step that crosses the line is a whole one
    assert 1 < len(run.metrics) < 4
    assert (run.metrics[-1]["learning_rate"] or 0) < 0.01 * 0.002


def test_the_budget_holds_even_where_the_first_epoch_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = MadeUpTime(monkeypatch, batch_size=16)
    run = quick(config=replace(QUICK, batch_size=16, max_minutes=0.75, validation=0.5), output=tmp_path)
    assert run.status == "time budget"
    assert len(run.metrics) == 1
    assert 30 < time.now <= 45  # 45 steps would fit, but validation takes 15 seconds more


def test_the_loss_going_to_nan_ends_the_run_and_says_so(tmp_path: Path) -> None:
    config = replace(QUICK, optimizer="sgd", learning_rate=1e6, momentum=0.0, schedule="constant")
    with pytest.raises(TrainingError, match="try a lower one"):
        quick("lenet", config=replace(config, l2_penalty=1.0), output=tmp_path)
    assert Run(tmp_path / "lenet-digits-1").status.startswith("failed: the ")


def test_the_callers_random_numbers_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    quick(
        "alexnet_d2l",
        load_few(),
        replace(QUICK, epochs=1, size=65, batch_size=16, validation=0.0),
        output=tmp_path,
    )
    assert torch.equal(torch.rand(3), expected)


def load_few() -> Splits:
    train_set = load_data("digits").train
    return Splits(train_set.subset(range(40)))


def test_seeds_differ_and_the_same_seed_repeats(tmp_path: Path) -> None:
    runs = [quick(config=replace(QUICK, epochs=1, seed=seed), output=tmp_path) for seed in (0, 0, 1)]
    assert same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(runs[2]))
    assert [run.name for run in runs] == ["mlp-digits-1", "mlp-digits-2", "mlp-digits-3"]


def test_any_callable_on_batches_works_as_augmentation(tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []

    def darken(images: Tensor) -> Tensor:
        seen.append(tuple(images.shape))
        assert 0 <= float(images.min()) <= float(images.max()) <= 1
        return images * 0

    run = quick(
        "mlp", load_few(), replace(QUICK, epochs=1, validation=0.0), output=tmp_path, augment=[darken]
    )
    assert seen == [(40, 1, 8, 8)]
    assert run.metrics[0]["train_accuracy"] is not None


def test_googlenet_trains_its_auxiliary_heads_when_asked(tmp_path: Path) -> None:
    config = TrainConfig(
        epochs=1, batch_size=16, size=96, auxiliary_weight=0.3, validation=0.0, precision="fp32"
    )
    run = quick("googlenet", load_few(), config, output=tmp_path)
    assert any(name.startswith("auxiliary") for name in weights(run))


def test_balanced_validation_has_equal_classes(tmp_path: Path) -> None:
    events: list[Event] = []
    data = load_data("digits")
    uneven = data.train.subset(
        torch.cat([torch.arange(1000)[data.train.labels[:1000] != 3], torch.tensor([0, 1])])
    )
    counts = uneven.class_counts()
    assert len(set(counts.values())) > 1
    config = replace(QUICK, epochs=1, balanced_validation=True, validation=0.05)
    train_set = data.train
    run = train("mlp", Splits(train_set), config, output=tmp_path, listeners=[events.append])
    started = events[0]
    assert isinstance(started, RunStarted)
    assert started.validation_images % 10 == 0
    assert run.status == "finished"


@pytest.mark.parametrize(
    ("network", "data", "options", "error", "message"),
    [
        ("resnet81", "digits", {}, UsageError, "unknown network 'resnet81'; nearest"),
        ("lenet", "fashion-mnits", {}, UsageError, "nearest: fashion-mnist"),
        ("lenet", "digits", {"size": 4}, ConfigError, "size is 4; lenet needs at least"),
        ("lenet1d", "digits", {}, ConfigError, "lenet1d takes series N×C×L and these are images"),
        ("lenet", "digits", {"augment": ("flp",)}, UsageError, "unknown augmentation 'flp'; nearest: flip"),
        ("lenet", "digits", {"device": "cuda:77"}, ConvnetsError, "not on this machine"),
        ("lenet", "digits", {"initializer": "xavir"}, UsageError, "nearest: xavier"),
        ("lenet", "digits", {"auxiliary_weight": 0.3}, ConfigError, "no auxiliary heads"),
        ("lenet", "digits", {"validation": 0.001}, ConvnetsError, "allowed"),
    ],
)
def test_wrong_requests_are_refused_before_a_run_is_made(
    tmp_path: Path, network: str, data: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        quick(network, data, TrainConfig.from_dict(options), output=tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_does_not_fit_the_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"3 classes and digits has 10; create it with num_classes=10"):
        quick(create_model("mlp", num_classes=3), output=tmp_path)
    with pytest.raises(ConfigError, match="takes 3 channels and channels is 1"):
        quick(create_model("lenet", in_channels=3), config=replace(QUICK, channels=1), output=tmp_path)
    one_class = ImageSet(torch.zeros(9, 1, 8, 8, dtype=torch.uint8), torch.zeros(9).long(), ("only",), "one")
    with pytest.raises(DataError, match="one class, 'only'"):
        quick(data=one_class, output=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_color_network_takes_gray_images(tmp_path: Path) -> None:
    net = create_model("mlp", in_channels=3, input_size=8)
    assert quick(net, config=replace(QUICK, epochs=1), output=tmp_path).load().preprocess.channels == 3


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", "a\0b", "x" * 300, "tab\there"])
def test_run_names_that_are_no_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="run name"):
        quick(output=tmp_path, name=name)


def test_an_output_that_holds_a_run_is_refused_and_kept(tmp_path: Path) -> None:
    first = quick(config=replace(QUICK, epochs=1), output=tmp_path, name="mine")
    before = (first.path / "metrics.csv").read_bytes()
    with pytest.raises(RunError, match="holds another run"):
        quick(output=tmp_path, name="mine")
    assert (first.path / "metrics.csv").read_bytes() == before


def test_an_output_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        quick(output=tmp_path / "file")
    with pytest.raises(RunError, match="is a file"):
        quick(output=tmp_path / "file" / "deeper")


def test_a_read_only_output_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        os, "access", lambda path, mode: False
    )  # root may write anywhere, so say that it may not
    with pytest.raises(RunError, match="permission denied"):
        quick(output=tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_batch_of_one_image_with_batch_norm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="batch"):
        quick("lenet_bn", config=replace(QUICK, batch_size=1), output=tmp_path)
