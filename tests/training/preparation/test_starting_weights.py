"""Runs that start from trained weights: what they take, what is new, what they note, and that they go on exactly."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from convnets.checkpoints.state_folder import LATEST_FILE, StateFolder
from convnets.data.class_splits import keep_classes
from convnets.data.image_set import ImageSet, Splits
from convnets.data.sources import load_data
from convnets.errors import ConfigError, ModelFolderError, RunError, UsageError
from convnets.models.catalogue import create_model
from convnets.serving.evaluation import evaluate_model
from convnets.training.config import TrainConfig
from convnets.training.events import EpochStarted, Event, Notice, RunStarted
from convnets.training.runs.run import Run
from convnets.training.task import prepare
from convnets.training.train import resume, train

SMALL = TrainConfig(epochs=1, batch_size=32, size=16, precision="fp32", threads=1)
STILL = replace(SMALL, size=None, learning_rate=0.0, weight_decay=0.0)
"""One epoch in which no weight moves: what is in the model folder is what the run started from."""


def digits(*names: str, count: int = 96) -> Splits:
    images = keep_classes(load_data("digits").train, names)
    return Splits(images.subset(range(count)))


def tensors_of(run: Run) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run.model_folder / "model.safetensors")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """LeNet with batch norm that knows 0 to 3, at 16 pixels; not to be changed."""
    return train("lenet_bn", digits(*"0123"), SMALL, output=tmp_path_factory.mktemp("taught"), listeners=())


def told(events: list[Event], start: str) -> list[str]:
    return [each.message for each in events if isinstance(each, Notice) and each.message.startswith(start)]


def test_other_classes_get_a_new_last_layer_and_everything_else_is_kept(taught: Run, tmp_path: Path) -> None:
    events: list[Event] = []
    config = replace(STILL, freeze=("convolutions", "hidden"))
    run = train(
        data=digits(*"789"), config=config, start=taught.path, output=tmp_path, listeners=[events.append]
    )
    before, after = tensors_of(taught), tensors_of(run)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        "classifier.weight",
        "classifier.bias",
    }
    assert after["classifier.weight"].shape == (3, 84)
    file = (taught.model_folder / "model.safetensors").read_bytes()
    mean, std = taught.load().preprocess.mean, taught.load().preprocess.std
    assert run.settings["start"] == {
        "source": str(taught.model_folder),
        "sha256": hashlib.sha256(file).hexdigest(),
        "network": "lenet_bn",
        "new": ["classifier.weight", "classifier.bias"],
        "channels": None,
        "size": 16,
        "mean": list(mean),
        "std": list(std),
    }
    assert run.load().preprocess == replace(taught.load().preprocess, mean=mean, std=std)
    (line,) = told(events, "starting from")
    assert (
        "(lenet_bn): 28 tensors; new: classifier.weight, classifier.bias (it told 4 classes apart, these are 3)"
        in line
    )
    started = next(each for each in events if isinstance(each, RunStarted))
    assert started.input_shape == (
        1,
        16,
        16,
    )  # as the weights know it, not the digits' 8 nor the network's 28


@pytest.mark.parametrize("names", ["0123", "1023", "4567"])
def test_the_last_layer_is_kept_for_the_very_same_classes_alone(
    taught: Run, tmp_path: Path, names: str
) -> None:
    task = prepare(None, digits(*names), replace(SMALL, start=str(taught.path)))
    kept = torch.equal(
        task.network.get_submodule("classifier").weight, tensors_of(taught)["classifier.weight"]
    )  # type: ignore[arg-type]
    assert kept == (names == "0123")
    assert task.start is not None
    assert (task.start.record.new == ()) == kept
    line = task.start.notices[0]
    assert (
        "the last layer is kept, the classes are the same" if kept else "its classes were others, or in"
    ) in line


def test_a_new_last_layer_depends_on_the_seed_alone(taught: Run) -> None:
    def last(seed: int) -> torch.Tensor:
        config = replace(SMALL, start=str(taught.path), seed=seed)
        return prepare(None, digits(*"789"), config).network.state_dict()["classifier.weight"]

    assert torch.equal(last(1), last(1))
    assert not torch.equal(last(1), last(2))


def test_pictures_of_other_channels(taught: Run, tmp_path: Path) -> None:
    gray = digits(*"0123").train
    rgb = Splits(replace(gray, images=gray.pixels.expand(-1, 3, -1, -1).contiguous()))
    task = prepare(None, rgb, replace(SMALL, start=str(taught.path)))
    before = tensors_of(taught)["convolutions.0.weight"]
    torch.testing.assert_close(
        task.network.state_dict()["convolutions.0.weight"], before.expand(-1, 3, -1, -1) / 3
    )
    assert task.preprocess.mean == taught.load().preprocess.mean * 3
    assert task.start is not None
    assert "the first layer's filters for 1 channels were changed to 3" in task.start.notices[0]
    model = taught.load()
    own = task.network.eval()
    with torch.no_grad():  # the same function of the same pictures
        torch.testing.assert_close(
            own(task.preprocess(rgb.train.pixels[:5])), model.network(model.preprocess(gray.pixels[:5]))
        )


def forms(taught: Run, folder: Path) -> dict[str, Any]:
    """The same weights in every form."""
    state = taught.load().network.state_dict()
    safetensors.torch.save_file(state, folder / "weights.safetensors")
    torch.save({"state_dict": {f"module.{name}": state[name] for name in state}}, folder / "weights.pth")
    return {
        "run": taught,
        "path": str(taught.path),
        "model folder": taught.model_folder,
        "safetensors": folder / "weights.safetensors",
        "pth": folder / "weights.pth",
        "model": taught.load(),
        "network": taught.load().network,
        "state dict": state,
    }


def test_every_form_gives_the_same_weights(taught: Run, tmp_path: Path) -> None:
    for form, start in forms(taught, tmp_path).items():
        given = str(start.path) if isinstance(start, Run) else start
        task = prepare("lenet_bn", digits(*"0123"), SMALL, start=given)
        assert task.start is not None
        assert task.start.record.new == (), form
        expected = tensors_of(taught)
        assert all(torch.equal(value, expected[name]) for name, value in task.network.state_dict().items()), (
            form
        )
        assert (task.start.record.source == "memory") == (form in ("model", "network", "state dict"))


def test_published_files_bring_the_pixels_that_they_were_trained_with(tmp_path: Path) -> None:
    published = create_model("resnet18", num_classes=5, seed=1).state_dict()
    pairs = (("stem.0.", "conv1."), ("stem.1.", "bn1."), ("stage", "layer"), (".skip.", ".downsample."))
    for ours, theirs in (*pairs, ("classifier.", "fc.")):
        published = {name.replace(ours, theirs): value for name, value in published.items()}
    torch.save(published, tmp_path / "resnet18-0123abcd.pth")
    gray = digits(*"012", count=8).train
    rgb = Splits(replace(gray, images=gray.pixels.expand(-1, 3, -1, -1).contiguous()))
    config = replace(SMALL, start=str(tmp_path / "resnet18-0123abcd.pth"), size=32, validation=0)
    task = prepare(None, rgb, config)  # the file's name says the network
    assert task.network_name == "resnet18"
    assert (task.preprocess.mean, task.preprocess.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert torch.equal(task.network.state_dict()["stage4.1.conv2.weight"], published["layer4.1.conv2.weight"])
    assert prepare(None, rgb, replace(config, normalize=False)).preprocess.mean == (0.0, 0.0, 0.0)


def own_network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )


def test_a_network_of_ones_own_starts_from_another_of_its_kind(tmp_path: Path) -> None:
    given, own = own_network(), own_network()
    given[4] = nn.Linear(4, 7)
    task = prepare(own, digits(*"012"), replace(STILL, size=8), start=given.state_dict())
    assert torch.equal(own[0].weight, given[0].weight)  # type: ignore[arg-type]
    assert task.start is not None
    assert task.start.record.new == ("4.weight", "4.bias")
    first = train(own_network(), digits(*"012"), replace(SMALL, size=8), output=tmp_path, listeners=())
    with pytest.raises(
        UsageError, match="holds weights of a network from outside the catalogue; pass it: train"
    ):
        prepare(None, digits(*"012"), SMALL, start=str(first.path))
    prepare(own, digits(*"012"), replace(SMALL, size=8), start=str(first.path))
    assert torch.equal(own[4].weight, tensors_of(first)["4.weight"])  # type: ignore[arg-type]


def stop_at(epoch: int) -> Callable[[Event], None]:
    def listener(event: Event) -> None:
        if isinstance(event, EpochStarted) and event.epoch == epoch:
            raise KeyboardInterrupt

    return listener


RICH = TrainConfig(
    epochs=3, batch_size=32, precision="fp32", threads=1, freeze=("convolutions.0",), freeze_epochs=1,
    backbone_rate=0.3, ema_decay=0.9, optimizer="sgd", learning_rate=0.05,
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(taught: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A fine-tuned run that nobody stopped; not to be changed."""
    config = replace(RICH, start=str(taught.path))
    return train(data=digits(*"789"), config=config, output=tmp_path_factory.mktemp("whole"), listeners=())


@pytest.mark.parametrize("stop", [2, 3])
@pytest.mark.parametrize("way", ["resume", "go on"])
def test_a_fine_tuned_run_goes_on_exactly_without_what_it_started_from(
    taught: Run, whole: Run, tmp_path: Path, stop: int, way: str
) -> None:
    gone = shutil.copytree(taught.path, tmp_path / "gone")
    data = digits(*"789")
    config = replace(RICH, start=str(gone))
    run = train(data=data, config=config, output=tmp_path / "b", listeners=[stop_at(stop)])
    assert run.status == "interrupted"
    shutil.rmtree(gone)
    events: list[Event] = []
    if way == "resume":
        again = resume(run, data=data, listeners=[events.append])
    else:
        again = train(data=data, config=config, output=tmp_path / "b", go_on=True, listeners=[events.append])
    assert (again.path, again.status) == (run.path, "finished")
    assert told(events, "starting from") == []
    ours, theirs = tensors_of(again), tensors_of(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    states = [StateFolder(each.state_folder).load()[1]["network"] for each in (again, whole)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert again.load().preprocess == whole.load().preprocess


def test_a_run_cut_off_before_its_first_save_needs_the_very_weights(taught: Run, tmp_path: Path) -> None:
    start = shutil.copytree(taught.path, tmp_path / "start")
    data = digits(*"789")
    config = replace(STILL, epochs=2, start=str(start))
    run = train(data=data, config=config, output=tmp_path, name="b", listeners=[stop_at(2)])
    (run.state_folder / LATEST_FILE).unlink()  # as if it had been killed before
    file = start / "model" / "model.safetensors"
    content = file.read_bytes()
    file.unlink()
    with pytest.raises(
        RunError, match=r"b was cut off before its first save, and the weights that it started from cannot"
    ):
        resume(run, data=data, listeners=())
    file.write_bytes(content)
    again = resume(run, data=data, listeners=())
    assert torch.equal(tensors_of(again)["hidden.1.weight"], tensors_of(taught)["hidden.1.weight"])


def test_the_same_call_from_other_weights_is_another_run(taught: Run, tmp_path: Path) -> None:
    other = create_model("lenet_bn", num_classes=4, input_size=16, seed=9)
    torch.save(taught.load().network.state_dict(), tmp_path / "w.pth")

    def call(**more: Any) -> Run:
        config = replace(SMALL, epochs=2, start=str(tmp_path / "w.pth"))
        return train("lenet_bn", digits(*"0123"), config, output=tmp_path / "runs", go_on=True, **more)

    first = call(name="a", listeners=[stop_at(2)])
    torch.save(other.state_dict(), tmp_path / "w.pth")
    with pytest.raises(RunError, match="a was started with starting weights '"):
        call(name="a", listeners=())
    assert call(listeners=[stop_at(2)]).path != first.path


def test_a_run_with_starting_weights_is_evaluated_as_it_was(taught: Run, tmp_path: Path) -> None:
    run = train(
        data="digits", config=replace(SMALL, size=None, start=str(taught.path)), output=tmp_path, listeners=()
    )
    judged = evaluate_model(run.path, part="validation")
    assert judged.evaluation.accuracy == pytest.approx(run.results["validation"]["accuracy"])


@pytest.mark.parametrize(
    ("network", "options", "error", "message"),
    [
        ("lenet", {}, UsageError, "holds weights of lenet_bn, not of lenet; leave the network out"),
        (None, {"size": 28}, ModelFolderError, "does not fit lenet_bn: hidden.1.weight is"),
        (
            None,
            {"start": "no/such/run"},
            ModelFolderError,
            "no/such/run does not exist; give a run, a model folder",
        ),
        (None, {"freeze": ("stem",)}, UsageError, "unknown parameter 'stem'"),
    ],
)
def test_refused_before_a_folder_is_made(
    taught: Run,
    tmp_path: Path,
    network: str | None,
    options: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    config = replace(SMALL, **{"size": None, "start": str(taught.path), **options})
    with pytest.raises(error, match=message) as found:
        train(network, digits(*"012"), config, output=tmp_path / "runs", listeners=())
    assert "\n" not in str(found.value)
    assert not (tmp_path / "runs").exists()


def test_files_that_do_not_say_their_network_and_two_starts(taught: Run, tmp_path: Path) -> None:
    torch.save(taught.load().network.state_dict(), tmp_path / "w.pth")
    with pytest.raises(UsageError, match=r"w.pth does not say which network its weights are of; name it"):
        train(data="digits", start=tmp_path / "w.pth", output=tmp_path / "runs")
    with pytest.raises(UsageError, match="no network; give one, or start="):
        train(data="digits", output=tmp_path / "runs")
    config = TrainConfig(start=str(tmp_path / "w.pth"))
    for start in (taught, taught.load()):
        with pytest.raises(ConfigError, match=r"w\.pth in the options; give one of them"):
            train("lenet_bn", "digits", config, start=start, output=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_the_network_passed_is_left_trainable(taught: Run, tmp_path: Path) -> None:
    own = create_model("lenet_bn", num_classes=3, input_size=16)
    config = replace(SMALL, freeze=("convolutions",), freeze_epochs=1)
    train(own, digits(*"012"), config, start=taught, output=tmp_path, listeners=())
    assert all(parameter.requires_grad for parameter in own.parameters())


def test_config_json_is_plain_and_loads(taught: Run, tmp_path: Path) -> None:
    images = ImageSet(
        torch.randint(256, (40, 1, 16, 16), dtype=torch.uint8), torch.arange(40) % 2, ("a", "b"), "x"
    )
    run = train(data=images, config=SMALL, start=taught.load(), output=tmp_path, listeners=())
    content = json.loads((run.path / "config.json").read_text())
    assert content["options"]["start"] is None
    assert content["start"]["source"] == "memory"
    assert len(content["start"]["sha256"]) == 64
    assert Run(run.path).config == SMALL
