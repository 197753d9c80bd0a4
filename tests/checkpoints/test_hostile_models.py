"""Model folders made to harm: each is refused in one line, before memory is asked for, and nothing in it is run."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from convnets.checkpoints.model_config import read_config, sealed
from convnets.checkpoints.model_folder import TrainedModel, load_model, save_model
from convnets.checkpoints.strict_json import parse_strict_json
from convnets.data.preprocess import Preprocess
from convnets.errors import ModelFolderError
from convnets.models.catalogue import create_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    network = create_model("softmax", in_channels=1, num_classes=3, input_size=2, seed=1)
    return save_model(tmp_path / "model", TrainedModel(network, ("a", "b", "c"), Preprocess.plain(1, 2)))


def vouch(folder: Path, weights: bytes, **changes: Any) -> None:
    """Any bytes as weights, and a configuration that vouches for them."""
    (folder / "model.safetensors").write_bytes(weights)
    stated = {"bytes": len(weights), "sha256": hashlib.sha256(weights).hexdigest()}
    config = json.loads((folder / "config.json").read_text()) | {"weights": stated} | changes
    (folder / "config.json").write_text(json.dumps(sealed(config)))


def container(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(begin: int, end: int, shape: list[Any] | None = None, dtype: Any = "F32") -> dict[str, Any]:
    shape = [(end - begin) // 4] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


TWIN = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "0 bytes; the shortest has 10"),
    "shorter than its length": (b"\x01\0\0", "3 bytes"),
    "header of 2⁶³ bytes": (struct.pack("<Q", 2**63) + b"{}", "header of 9,223,372,036,854,775,808 bytes in a file"),
    "header of 2⁶⁴ − 1 bytes": (b"\xff" * 8 + b"{}", "header of 18,446,744,073,709,551,615 bytes"),
    "header longer than the file": (struct.pack("<Q", 100) + b"{}", "header of 100 bytes in a file of 10"),
    "tensors on each other": (container({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12)), "'a' and 'b' overlap"),
    "the same tensor twice": (container({"a": tensor(0, 4), "b": tensor(0, 4)}, bytes(4)), "'a' and 'b' overlap"),
    "key given twice": (container(TWIN, bytes(4)), "the key 'a' stands there twice"),
    "hole": (container({"a": tensor(0, 4), "b": tensor(8, 12)}, bytes(12)), "4 bytes before tensor 'b' belong to none"),
    "rest": (container({"a": tensor(0, 4)}, bytes(8)), "8 of 4 bytes of tensors"),
    "truncated data": (container({"a": tensor(0, 400)}, bytes(8)), "8 of 400 bytes of tensors"),
    "shape beyond its bytes": (container({"a": tensor(0, 4, [2])}, bytes(4)), "needs 8 bytes, has 4"),
    "shape beyond any memory": (container({"a": tensor(0, 4, [2**47, 2**47])}, bytes(4)), "needs 79,228,162,514"),
    "shape beyond 2⁴⁸": (container({"a": tensor(0, 4, [2**70])}, bytes(4)), "has shape [1180591620717411303424]"),
    "negative shape": (container({"a": tensor(0, 4, [-1])}, bytes(4)), "has shape [-1]"),
    "backwards": (container({"a": tensor(4, 0, [1])}, bytes(4)), "needs 4 bytes, has -4"),
    "a truth as a size": (container({"a": tensor(0, 4, [True])}, bytes(4)), "has shape [True]"),
    "a fraction as a size": (container({"a": tensor(0, 4, [1.0])}, bytes(4)), "has shape [1.0]"),
    "unknown type": (container({"a": tensor(0, 4, dtype="PY")}, bytes(4)), "is of type 'PY'; allowed: BOOL"),
    "type of another kind": (container({"a": tensor(0, 4, dtype=[1])}, bytes(4)), "is of type [1]"),
    "a million axes": (container({"a": tensor(0, 4, [1] * 1_000_000)}, bytes(4)), "has shape [1, 1"),
    "key too many": (container({"a": {**tensor(0, 4), "code": "x"}}, bytes(4)), "has not the keys"),
    "no object": (container([1, 2], b""), "no JSON object"),
    "nested too deeply": (container(b'{"a":' + b"[" * 100_000), "nested too deeply"),
    "not UTF-8": (container(b'{"\xff":1}'), "utf-8"),
    "NaN": (container(b'{"a":NaN}'), "NaN is no number"),
    "web page": (b"<!DOCTYPE html><html>Not found</html>", "header of"),
    "only metadata": (container({"__metadata__": {"format": "pt"}}), "classifier.weight is missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_weights_are_refused_by_what_is_wrong_with_them(folder: Path, case: str) -> None:
    content, said = HOSTILE[case]
    vouch(folder, content)
    with pytest.raises(ModelFolderError) as caught:
        load_model(folder)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 400 + len(str(folder))


class Payload:
    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.sentinel),))


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_are_refused_and_never_run(folder: Path, tmp_path: Path, protocol: int) -> None:
    sentinel = tmp_path / "sentinel"
    vouch(folder, pickle.dumps({"classifier.weight": Payload(sentinel)}, protocol))
    with pytest.raises(ModelFolderError, match="not a safetensors file"):
        load_model(folder)
    assert not sentinel.exists()


def test_a_file_of_pytorch_is_refused_by_its_kind(folder: Path, tmp_path: Path) -> None:
    sentinel, path = tmp_path / "sentinel", tmp_path / "x.pt"
    torch.save({"weight": Payload(sentinel)}, path)
    assert zipfile.is_zipfile(path)
    vouch(folder, path.read_bytes())
    with pytest.raises(ModelFolderError, match="it is a zip, such as PyTorch's own files"):
        load_model(folder)
    assert not sentinel.exists()


ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"num_classes": 2**40}, "weights of another network"),  # 17 TB of weights, were they made
    ({"num_classes": 10**30}, "cannot be built from its arguments"),
    ({"num_classes": -1}, "num_classes is -1"),
    ({"num_classes": "x"}, "num_classes is 'x'"),
    ({"in_channels": 10**9, "input_size": 10**6}, "cannot be built from its arguments"),
    ({"input_size": 10**6}, "weights of another network"),
    ({"seed": [1]}, "seed is [1]"),
    ({"__class__": 1}, "has no option '__class__'"),
    ({"device": "cuda"}, "has no option 'device'"),
]


@pytest.mark.parametrize(("arguments", "said"), ARGUMENTS, ids=[str(a) for a, _ in ARGUMENTS])
def test_a_network_larger_than_its_weights_is_refused_without_making_it(
    folder: Path, arguments: dict[str, Any], said: str
) -> None:
    architecture = json.loads((folder / "config.json").read_text())["architecture"]
    architecture["arguments"] |= arguments
    vouch(folder, (folder / "model.safetensors").read_bytes(), architecture=architecture)
    tracemalloc.start()
    with pytest.raises(ModelFolderError) as caught:
        load_model(folder)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    assert said in str(caught.value)


def test_class_names_must_be_as_many_as_the_network_tells_apart(folder: Path) -> None:
    vouch(folder, (folder / "model.safetensors").read_bytes(), classes=["a", "b"])
    with pytest.raises(ModelFolderError, match=r"tells 3 classes apart, config\.json names 2"):
        load_model(folder)


@pytest.mark.parametrize("classes", ["abc", [1, 2, 3], {"a": 1}, [["a"], "b", "c"], None])
def test_class_names_of_another_kind_are_refused(folder: Path, classes: Any) -> None:
    vouch(folder, (folder / "model.safetensors").read_bytes(), classes=classes)
    with pytest.raises(ModelFolderError, match="lacks or mistypes 'classes'"):
        load_model(folder)


def test_whole_numbers_are_no_weights(folder: Path) -> None:
    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    whole = {name: value.to(torch.int32) for name, value in tensors.items()}
    vouch(folder, safetensors.torch.save(whole))
    with pytest.raises(ModelFolderError, match=r"is torch\.int32, needs torch\.float32"):
        load_model(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_where_a_file_is_meant(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(ModelFolderError, match=name):
        load_model(folder)


def test_a_configuration_without_end_is_not_read_to_its_end(folder: Path) -> None:
    with (folder / "config.json").open("wb") as file:
        file.truncate(1 << 40)  # sparse: takes no room on the disk
    tracemalloc.start()
    with pytest.raises(ModelFolderError, match="more than 16,777,216 bytes"):
        load_model(folder)
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


def _same_content(one: bytes, other: bytes) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def test_every_flipped_bit_is_seen_or_changes_nothing(folder: Path) -> None:
    """A bit of the configuration may turn `1e-05` into `1E-05`, which is the same number; no other is let through."""
    original = load_model(folder)
    for name in ("config.json", "model.safetensors"):
        path = folder / name
        content = path.read_bytes()
        for place in range(len(content)):
            flipped = bytearray(content)
            flipped[place] ^= 1 << (place * 5 % 8)
            path.write_bytes(flipped)
            if name == "config.json" and _same_content(flipped, content):
                continue
            with pytest.raises(ModelFolderError, match=re.escape(str(path))):
                read_config(folder) if name == "config.json" else load_model(folder)
        path.write_bytes(content)
    assert load_model(folder).classes == original.classes


def test_a_configuration_may_be_indented_anew_but_not_changed(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config, indent=7, sort_keys=True))
    assert load_model(folder).classes == ("a", "b", "c")
    path.write_text(json.dumps(config | {"classes": ["c", "b", "a"]}))
    with pytest.raises(ModelFolderError, match=r"config\.json is damaged: its content has not the SHA-256"):
        load_model(folder)
    config.pop("sha256")
    path.write_text(json.dumps(config))
    with pytest.raises(ModelFolderError, match=r"config\.json is damaged"):
        load_model(folder)


def test_metrics_with_numbers_as_keys_survive_the_seal(folder: Path) -> None:
    network = create_model("softmax", in_channels=1, num_classes=3, input_size=2)
    metrics = {"per": {10: 1.5, 9: (1, None)}}
    save_model(folder, TrainedModel(network, ("a", "b", "c"), Preprocess.plain(1, 2), metrics))
    assert load_model(folder).metrics == {"per": {"10": 1.5, "9": [1, None]}}


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"a":1,"a":1}', b"[NaN]", b"[-Infinity]", b"\xff", b"[" * 9999, b"1" * 5000]
)
def test_strict_json_refuses(content: bytes) -> None:
    with pytest.raises(ValueError):
        parse_strict_json(content)
