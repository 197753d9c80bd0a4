"""The model folder comes back as it was, and a damaged one is refused by name of the file."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from convnets.checkpoints.model_config import sealed
from convnets.checkpoints.model_folder import FORMAT_VERSION, TrainedModel, load_model, save_model
from convnets.data.preprocess import Preprocess
from convnets.errors import ModelFolderError
from convnets.models.catalogue import create_model

CLASSES = ("T-shirt/top", "裤子", *"abcdefgh")
PREPROCESS = Preprocess(1, 28, 28, (0.286,), (0.353,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network = create_model("lenet_bn", seed=3)
    return save_model(
        tmp_path / "model", TrainedModel(network, CLASSES, PREPROCESS, {"test": {"accuracy": 0.9}})
    )


def change_config(folder: Path, **changes: Any) -> None:
    """As somebody would who knows how the checksum is made."""
    path = folder / "config.json"
    path.write_text(json.dumps(sealed(json.loads(path.read_text("utf-8")) | changes)), "utf-8")


def test_it_comes_back_as_it_was(folder: Path) -> None:
    model, original = load_model(folder), create_model("lenet_bn", seed=3)
    assert (model.classes, model.preprocess) == (CLASSES, PREPROCESS)
    assert model.metrics == {"test": {"accuracy": 0.9}}
    assert not model.network.training
    for name, value in original.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], value)
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(model.network(images), original.eval()(images))


def test_the_layout_is_the_one_that_hub_tools_expect(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    assert tensors.keys() == create_model("lenet_bn").state_dict().keys()


def test_weights_that_share_memory_are_saved_under_both_names(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
            self.second.weight = self.first.weight

    network = Tied()
    save_model(tmp_path, TrainedModel(network, ("a", "b"), PREPROCESS))
    other = load_model(tmp_path, network=Tied()).network
    assert torch.equal(other.second.weight, network.first.weight)  # type: ignore[union-attr, arg-type]


def test_channels_last_and_half_precision_weights_survive(tmp_path: Path) -> None:
    network = create_model("lenet", seed=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_model(tmp_path, TrainedModel(network, CLASSES, PREPROCESS))
    again = load_model(tmp_path).network.state_dict()
    assert all(torch.equal(again[name], value) for name, value in network.state_dict().items())


def test_saving_again_replaces_the_model_and_nothing_else(folder: Path) -> None:
    save_model(folder, TrainedModel(create_model("mlp"), CLASSES, PREPROCESS))
    assert load_model(folder).architecture == {
        "name": "mlp",
        "arguments": {"in_channels": 1, "num_classes": 10, "input_size": 28},
    }


@pytest.mark.parametrize("place", [0.0, 0.01, 0.5, 0.999])
def test_a_flipped_bit_in_the_weights_is_seen(folder: Path, place: float) -> None:
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFolderError, match=r"model\.safetensors is damaged: its SHA-256"):
        load_model(folder)


def test_truncated_weights_say_how_much_is_there(folder: Path) -> None:
    path = folder / "model.safetensors"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ModelFolderError, match=f"damaged: 1000 of {size} bytes"):
        load_model(folder)


def write_weights(folder: Path, content: bytes) -> None:
    """Put any bytes in the place of the weights, with a config that vouches for them."""
    import hashlib

    (folder / "model.safetensors").write_bytes(content)
    change_config(folder, weights={"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 7,
        (2**63).to_bytes(8, "little") + b"{}",
        (10).to_bytes(8, "little") + b'{"a":1}   ',
        b"<html>not found</html>",
    ],
)
def test_weights_that_are_no_safetensors_are_refused(folder: Path, content: bytes) -> None:
    write_weights(folder, content)
    with pytest.raises(ModelFolderError, match="not a safetensors file"):
        load_model(folder)


def test_a_pickle_is_refused_and_never_run(folder: Path, tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    write_weights(folder, pickle.dumps({"weight": Payload(sentinel)}))
    with pytest.raises(ModelFolderError, match="not a safetensors file"):
        load_model(folder)
    assert not sentinel.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "not the configuration of a convnets model"),
        ({"format_version": FORMAT_VERSION + 1}, "install a newer one"),
        ({"format_version": "1"}, "format version '1'"),
        (
            {"architecture": {"name": "lenet_nb", "arguments": {}}},
            "unknown network 'lenet_nb'; nearest: lenet_bn",
        ),
        ({"architecture": {"name": "lenet_bn"}}, "lacks or mistypes 'arguments'"),
        (
            {"architecture": {"name": "lenet", "arguments": {}}},
            "weights of another network: .* and [0-9]+ more",
        ),
        (
            {"architecture": {"name": "lenet_bn", "arguments": {"num_classes": 3}}},
            r"classifier\.weight is \(10, 84\)",
        ),
        ({"architecture": None}, "outside the catalogue"),
        ({"classes": None}, "lacks or mistypes"),
        ({"preprocess": {"channels": 1}}, "preprocess"),
        ({"weights": None}, "is missing"),
    ],
)
def test_a_wrong_configuration_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    change_config(folder, **changes)
    with pytest.raises(ModelFolderError, match=message) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00", "[" * 100_000])
def test_a_configuration_that_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelFolderError, match=r"config\.json"):
        load_model(folder)


def test_places_without_a_model_are_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelFolderError, match="does not exist"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFolderError, match=r"holds no config\.json"):
        load_model(tmp_path / "empty")
    with pytest.raises(ModelFolderError, match="is a file"):
        load_model(folder / "config.json")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelFolderError, match="is missing"):
        load_model(folder)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        safetensors.SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        ),
    ],
)
def test_a_full_disk_is_told_and_the_model_from_before_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    first, second = (create_model("mlp", seed=seed) for seed in (0, 1))
    classes, preprocess = tuple("0123456789"), Preprocess.plain(1, 28)
    save_model(tmp_path, TrainedModel(first, classes, preprocess))

    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(
        ModelFolderError, match=r"disk full: .*safetensors needs 814,120 bytes, has [\d,]+; the model"
    ):
        save_model(tmp_path, TrainedModel(second, classes, preprocess))
    kept = load_model(tmp_path).network.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in first.state_dict().items())
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
