"""Bad model folders given to `convnets predict`: one line that names the file, status 1, nothing run or written."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnets.checkpoints.model_config import sealed
from convnets.checkpoints.model_folder import TrainedModel, save_model
from convnets.core.storage.files import sha256_of_file
from convnets.data.preprocess import Preprocess
from convnets.models.catalogue import create_model

Refused = Callable[..., str]
Spoil = Callable[[Path], object]


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("sentinel",))


def config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(sealed(json.loads(path.read_text()) | changes)))


def weights(folder: Path, content: bytes) -> None:
    """Other weights, with a configuration that vouches for them."""
    path = folder / "model.safetensors"
    path.write_bytes(content)
    config(folder, weights={"bytes": len(content), "sha256": sha256_of_file(path)})


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])


def container(header: str, data: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header.encode() + data


def entry(name: str, begin: int, end: int) -> str:
    return f'"{name}":{{"dtype":"U8","shape":[{end - begin}],"data_offsets":[{begin},{end}]}}'


def architecture(folder: Path, name: str, **arguments: Any) -> None:
    config(folder, architecture={"name": name, "arguments": arguments})


def as_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("text")


def folder_as_file(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").mkdir()


FOLDERS: dict[str, tuple[Spoil, list[str]]] = {
    "empty": (lambda f: [path.unlink() for path in f.iterdir()], ["holds no config.json", "give a run or a model"]),
    "truncated": (cut, ["model.safetensors is damaged: 100 of ", " bytes; copy or save it again"]),
    "pickle": (lambda f: weights(f, pickle.dumps({"w": Payload()})), ["is not a safetensors file"]),
    "header length 2⁶³": (
        lambda f: weights(f, struct.pack("<Q", 2**63) + b"{}"),
        ["header of 9,223,372,036,854,775,808 bytes in a file of 10"],
    ),
    "overlapping tensors": (
        lambda f: weights(f, container(f"{{{entry('a', 0, 8)},{entry('b', 4, 12)}}}", bytes(12))),
        ["'a' and 'b' overlap"],
    ),
    "duplicate keys": (
        lambda f: weights(f, container(f"{{{entry('a', 0, 4)},{entry('a', 0, 4)}}}", bytes(4))),
        ["key 'a' stands there twice"],
    ),
    "duplicate keys in the configuration": (
        lambda f: (f / "config.json").write_text('{"format": "x", "format": "convnets-model"}'),
        ["key 'format' stands"],
    ),
    "another architecture": (
        lambda f: architecture(f, "mlp", in_channels=1, num_classes=3, input_size=4),
        ["weights of another network", "hidden.1.weight is missing", "needs"],
    ),
    "another class count": (
        lambda f: architecture(f, "softmax", in_channels=1, num_classes=7, input_size=4),
        ["classifier.weight is (3, 16), needs (7, 16)", "classifier.bias is (3,), needs (7,)"],
    ),
    "newer format version": (lambda f: config(f, format_version=99), ["version 99", "install a newer one"]),
    "a file where a folder is meant": (as_file, ["is a file", "give the model folder"]),
    "a folder where a file is meant": (folder_as_file, ["model.safetensors is missing"]),
    "a flipped bit": (lambda f: (f / "config.json").write_text((f / "config.json").read_text().replace("cat", "cau")),
                      ["config.json is damaged"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDERS)
def test_predict_refuses(refused: Refused, tmp_path: Path, case: str) -> None:
    network = create_model("softmax", in_channels=1, num_classes=3, input_size=4)
    folder = save_model(
        tmp_path / "model", TrainedModel(network, ("cat", "dog", "cow"), Preprocess.plain(1, 4))
    )
    spoil, said = FOLDERS[case]
    spoil(folder)
    line = refused(1, "predict", folder, "picture.png")
    assert all(words in line for words in [str(folder), *said]), line
    assert not (tmp_path / "sentinel").exists()
