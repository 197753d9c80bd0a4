"""What is pushed comes back bit for bit; an edited card goes as it is; other hashes are noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convnets.checkpoints.hub_model import from_pretrained
from convnets.data.sources import load_data
from convnets.errors import DownloadError, ModelFolderError, UsageError
from convnets.serving.export.hub_export import export_hub
from convnets.serving.export.hub_push import push_to_hub
from convnets.serving.predictor import Predictor
from convnets.serving.table_predictor import TablePredictor
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import train

NAME = "ada/digits"
# the Hub's client, of its HTTP library
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(
        "softmax", "digits", TrainConfig(epochs=1), output=tmp_path_factory.mktemp("runs"), listeners=()
    )


def test_a_run_is_pushed_and_comes_back(fake_hub: Any, run: Run, tmp_path: Path) -> None:
    pushed = push_to_hub(run, NAME, license="mit", token="hf_test")
    assert fake_hub.private == {NAME: True}
    assert pushed.url == f"{fake_hub.url}/{NAME}/tree/{pushed.commit}"
    held = fake_hub.commits[NAME][pushed.commit]
    assert sorted(held) == [".gitattributes", "README.md", "config.json", "model.safetensors"]
    assert held["model.safetensors"] == (run.model_folder / "model.safetensors").read_bytes()
    card = held["README.md"].decode()
    assert 'license: "mit"' in card
    assert f'from_pretrained("{NAME}")' in card
    pictures = load_data("digits").train.pixels[:20]
    back = Predictor(from_pretrained(NAME, pushed.commit, cache=tmp_path)).predict(pictures)
    assert [each.top for each in back] == [each.top for each in Predictor.load(run).predict(pictures)]


def test_a_model_of_a_table_is_pushed_too(fake_hub: Any, row_folders: Path, tmp_path: Path) -> None:
    pushed = push_to_hub(row_folders / "kinds", "ada/kinds", token="hf_test")
    held = fake_hub.commits["ada/kinds"][pushed.commit]
    for name, content in held.items():
        (tmp_path / name).write_bytes(content)
    assert b'snapshot_download("ada/kinds")' in held["README.md"]
    assert TablePredictor.load(tmp_path).model.classes == ("cheap", "dear")
    again = push_to_hub(tmp_path, "ada/kinds", token="hf_test")
    assert fake_hub.commits["ada/kinds"][again.commit]["config.json"] == held["config.json"]
    with pytest.raises(ModelFolderError, match="holds a model of tables; allowed here: models of images"):
        from_pretrained("ada/kinds", pushed.commit, cache=tmp_path / "cache")


def test_an_edited_card_goes_as_it_is(fake_hub: Any, run: Run, tmp_path: Path) -> None:
    folder = export_hub(run, tmp_path / "hub").path
    (folder / "README.md").write_text("---\nlicense: mit\n---\nmine\n")
    first = push_to_hub(folder, NAME, private=False, token="hf_test")
    assert fake_hub.private == {NAME: False}
    assert fake_hub.commits[NAME][first.commit]["README.md"].endswith(b"mine\n")
    second = push_to_hub(folder, NAME, token="hf_test")  # a repository that is there
    assert fake_hub.private == {NAME: False}
    assert fake_hub.commits[NAME][second.commit] == fake_hub.commits[NAME][first.commit]


def test_other_hashes_on_the_hub_are_said(fake_hub: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = fake_hub.commit
    monkeypatch.setattr(
        fake_hub,
        "commit",
        lambda name, files, *more: commit(name, {**files, "config.json": b"{}"}, *more),
    )
    with pytest.raises(DownloadError, match=r"config\.json has .* bytes, the Hub states 2; push it again"):
        push_to_hub(run, NAME, token="hf_test")


def test_what_the_hub_refuses_is_one_line(fake_hub: Any, run: Run) -> None:
    with pytest.raises(UsageError, match="allowed: user/name"):
        push_to_hub(run, "digits")
    fake_hub.commit(NAME, {})
    with pytest.raises(DownloadError, match="ada/digits: has no such revision") as caught:
        push_to_hub(run, NAME, branch="other", token="hf_test")
    assert "\n" not in str(caught.value)
