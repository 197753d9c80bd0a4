"""A model of the Hub is one commit, checked file by file; what is spoiled, missing or not there is said in a line."""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from convnets.checkpoints.hub_model import check_repository, difference, from_pretrained
from convnets.checkpoints.model_folder import TrainedModel, save_model
from convnets.data.preprocess import Preprocess
from convnets.errors import DownloadError, ModelFolderError, UsageError
from convnets.models.catalogue import create_model

NAME = "ada/digits"


def files(folder: Path, seed: int = 0) -> dict[str, bytes]:
    network = create_model("softmax", num_classes=2, input_size=8, seed=seed)
    save_model(folder, TrainedModel(network, ("a", "b"), Preprocess.plain(1, 8)))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def published(fake_hub: Any, tmp_path: Path) -> str:
    commit: str = fake_hub.commit(NAME, files(tmp_path / "model"))
    return commit


def weights(model: TrainedModel) -> torch.Tensor:
    return torch.cat([each.flatten() for each in model.network.state_dict().values()])


def test_a_branch_is_resolved_to_a_commit_and_said(
    fake_hub: Any, published: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        model = from_pretrained(NAME, cache=tmp_path / "cache")
    assert f"the newest is commit {published} now; pin it with revision='{published}'" in caplog.text
    assert model.metrics["hub"] == {"repository": NAME, "commit": published}
    assert model.classes == ("a", "b")
    later = fake_hub.commit(NAME, files(tmp_path / "later", seed=1))
    moved = from_pretrained(NAME, "main", cache=tmp_path / "cache")
    assert moved.metrics["hub"]["commit"] == later
    assert not torch.equal(weights(moved), weights(model))
    caplog.clear()
    again = from_pretrained(NAME, published, cache=tmp_path / "cache")
    assert torch.equal(weights(again), weights(model))
    assert caplog.text == ""


def test_a_pinned_model_in_the_cache_needs_no_network(fake_hub: Any, published: str, tmp_path: Path) -> None:
    from_pretrained(NAME, published, cache=tmp_path / "cache")
    fake_hub.requests.clear()
    fake_hub.serving = False
    assert from_pretrained(NAME, published, cache=tmp_path / "cache").metrics["hub"]["commit"] == published
    assert fake_hub.requests == []


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_what_was_spoiled_on_the_way_is_refused(
    fake_hub: Any, published: str, tmp_path: Path, name: str
) -> None:
    fake_hub.spoiled.add(name)
    with pytest.raises(ModelFolderError, match=rf"{name} has (SHA-256|Git's SHA-1) .*, the Hub states"):
        from_pretrained(NAME, published, cache=tmp_path / "cache")
    fake_hub.spoiled.clear()  # and it does not stay in the cache
    assert from_pretrained(NAME, published, cache=tmp_path / "cache").classes == ("a", "b")


def test_a_repository_that_is_no_model_of_ours_says_so(fake_hub: Any, tmp_path: Path) -> None:
    commit = fake_hub.commit("ada/bert", {"config.json": b"{}"})
    with pytest.raises(ModelFolderError, match=r"has no model\.safetensors: it is no model of convnets"):
        from_pretrained("ada/bert", commit, cache=tmp_path / "cache")
    commit = fake_hub.commit("ada/bert", {"model.safetensors": b"x"})
    with pytest.raises(ModelFolderError, match="is not the configuration of a convnets model"):
        from_pretrained("ada/bert", commit, cache=tmp_path / "cache")


def test_what_is_not_there_is_said_in_a_line(
    fake_hub: Any, published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError, match="ada/nothing: not found on the Hub; check the name"):
        from_pretrained("ada/nothing", cache=tmp_path / "cache")
    with pytest.raises(DownloadError, match="ada/digits: has no such revision"):
        from_pretrained(NAME, "v7", cache=tmp_path / "cache")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'convnets\[hub\]'"):
        from_pretrained(NAME)


@pytest.mark.parametrize(
    "name", ["ada", "ada/", "a/b/c", "../x", "ada/x--y", "ada/ x", "https://x/y", "ada/.x"]
)
def test_names_that_are_no_repository_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="allowed: user/name"):
        check_repository(name)


def test_hashes_are_those_of_git_and_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"hello\n" * 1000)
    blob = "".join(f"{each:02x}" for each in hashlib.sha1(b"blob 6000\0" + path.read_bytes()).digest())
    if shutil.which("git"):
        ended = subprocess.run(["git", "hash-object", str(path)], capture_output=True, text=True, check=True)
        assert ended.stdout.strip() == blob
    stated = SimpleNamespace(size=6000, lfs=None, blob_id=blob)
    assert difference(path, stated) is None
    stated.lfs = SimpleNamespace(sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert difference(path, stated) is None
    stated.size = 7000
    assert difference(path, stated) == "has 6,000 bytes, the Hub states 7,000"
    stated.size, stated.lfs.sha256 = 6000, "0" * 64
    assert "the Hub states 000000000000…" in str(difference(path, stated))
