"""Weights as users have them: files of several kinds, wrapped or not, hostile or not, and from memory."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from convnets.checkpoints.given_weights import MEMORY, read_weights, weights_in_memory
from convnets.checkpoints.model_folder import TrainedModel, save_model
from convnets.data.preprocess import Preprocess
from convnets.errors import ModelFolderError, UsageError
from convnets.models.catalogue import create_model

NETWORK = create_model("lenet", num_classes=3, seed=0)
STATE = NETWORK.state_dict()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    preprocess = Preprocess(1, 28, 28, (0.25,), (0.5,))
    return save_model(tmp_path / "model", TrainedModel(NETWORK, ("a", "b", "c"), preprocess))


def is_state(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == STATE.keys() and all(torch.equal(found[name], STATE[name]) for name in STATE)


def test_a_model_folder_and_the_file_in_it(folder: Path) -> None:
    file = folder / "model.safetensors"
    for path in (folder, file, str(folder)):
        found = read_weights(path)
        assert is_state(found.tensors)
        assert found.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert found.source == str(folder)
        assert (found.classes, found.architecture) == (("a", "b", "c"), NETWORK.architecture)
        assert found.preprocess == Preprocess(1, 28, 28, (0.25,), (0.5,))


def test_files_alone_say_nothing_of_classes(tmp_path: Path) -> None:
    safetensors.torch.save_file(STATE, tmp_path / "weights.safetensors")
    torch.save(STATE, tmp_path / "lenet-0123abcd.pth")
    for name in ("weights.safetensors", "lenet-0123abcd.pth"):
        found = read_weights(tmp_path / name)
        assert is_state(found.tensors)
        assert found.sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert (found.classes, found.preprocess) == (None, None)
        known = found.architecture
        assert (None if known is None else known.name) == ("lenet" if name.startswith("lenet") else None)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", "network", "weights"])
def test_state_dicts_inside_of_what_training_scripts_save(tmp_path: Path, key: str) -> None:
    content = {"epoch": 3, "optimizer": {"state": {}}, key: {f"module.{name}": STATE[name] for name in STATE}}
    torch.save(content, tmp_path / "checkpoint.pt")
    assert is_state(read_weights(tmp_path / "checkpoint.pt").tensors)


def test_networks_saved_whole_are_never_opened_and_code_in_files_never_runs(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save(NETWORK, tmp_path / "whole.pth")
    torch.save({"state_dict": STATE, "extra": Hostile()}, tmp_path / "hostile.pth")
    for name in ("whole.pth", "hostile.pth"):
        with pytest.raises(ModelFolderError, match="only running its code could make, which is never done"):
            read_weights(tmp_path / name)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list; allowed: a state dict"),
        ({"epoch": 1}, "holds the keys 'epoch'; allowed: a state dict"),
        ({}, "holds the keys of nothing; allowed"),
    ],
)
def test_what_holds_no_weights_says_what_it_holds(tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ModelFolderError, match=message):
        read_weights(tmp_path / "x.pth")


def test_damaged_and_missing_files_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"not a file of PyTorch")
    (tmp_path / "x.safetensors").write_bytes(b"short")
    for name, message in (
        ("x.pth", "x.pth is not a state dict of tensors"),
        ("x.safetensors", "is not a safetensors file"),
        ("none.pth", "none.pth does not exist; give a run, a model folder"),
    ):
        with pytest.raises(ModelFolderError, match=message) as error:
            read_weights(tmp_path / name)
        assert "\n" not in str(error.value)


def test_weights_in_memory_are_copies_with_a_hash_of_their_own(folder: Path) -> None:
    twin = create_model("lenet", num_classes=3, seed=0)
    found = [weights_in_memory(given) for given in (twin, twin.state_dict(), nn.DataParallel(twin))]
    assert len({each.sha256 for each in found}) == 1
    assert all(is_state(each.tensors) and each.source == MEMORY for each in found)
    with torch.no_grad():
        twin.classifier.bias += 1
    assert is_state(found[0].tensors)
    assert weights_in_memory(twin).sha256 != found[0].sha256
    with pytest.raises(UsageError, match="start is a int; allowed: a run, a path"):
        weights_in_memory(3)  # type: ignore[arg-type]


def test_messages_show_a_place_below_the_working_directory_as_it_is_typed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_weights(folder).place == str(folder)
    monkeypatch.chdir(tmp_path)
    found = read_weights("model")
    assert (found.place, found.source) == ("model", str(folder))
    assert weights_in_memory(NETWORK).place == MEMORY
