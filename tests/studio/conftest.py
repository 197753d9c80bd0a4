"""Runs to look at, made once for all test processes: real Fashion-MNIST and CIFAR-10 JPEGs where they are."""

from __future__ import annotations

import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

import convnets
from convnets import TrainConfig
from convnets.core.hardware import choose_hardware
from convnets.core.storage.file_lock import locked
from convnets.serving.http.guard import Access
from convnets.studio.app import create_studio
from convnets.studio.library import Library

TOKEN = "token-of-the-tests"


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first test process makes and the others wait for."""
    alone = os.environ.get("PYTEST_XDIST_WORKER") is None
    root = factory.getbasetemp() if alone else factory.getbasetemp().parent
    folder = root / name
    with locked(root / f"{name}.lock"):
        if not (folder / "whole").exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            (folder / "whole").touch()
    return folder


def train(folder: Path, network: str, data: str, name: str, **options: object) -> None:
    config = TrainConfig(**{"epochs": 1, "device": "cpu", "precision": "fp32", "fast": False, **options})  # type: ignore[arg-type]
    convnets.train(network, data, config, output=folder, name=name, listeners=())


@pytest.fixture(scope="session")
def digits_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of lenet_bn on the digits that differ in their seed, epochs kept; and one that is damaged."""

    def make(folder: Path) -> None:
        for seed in (0, 1):
            train(
                folder,
                "lenet_bn",
                "digits",
                f"digits-{seed}",
                epochs=2,
                seed=seed,
                save_epochs=1,
                health=True,
            )
        (folder / "broken").mkdir()
        (folder / "broken" / "config.json").write_text("{")
        (folder / "broken" / "environment.json").write_text("{}")

    return made_once(tmp_path_factory, "digits-runs", make)


@pytest.fixture(scope="session")
def fashion_runs(tmp_path_factory: pytest.TempPathFactory, fashion_mnist_root: Path) -> Path:
    """lenet_bn and lenet on all of Fashion-MNIST, an epoch each."""

    def make(folder: Path) -> None:
        train(folder, "lenet_bn", "fashion-mnist", "lenet_bn", save_epochs=1, batch_size=256, fast=True)
        train(folder, "lenet", "fashion-mnist", "lenet", batch_size=256, fast=True)

    return made_once(tmp_path_factory, "fashion-runs", make)


@pytest.fixture(scope="session")
def cifar_runs(tmp_path_factory: pytest.TempPathFactory, cifar10_zip: Path) -> Path:
    """Deeper networks on a few of CIFAR-10's JPEGs, an epoch each."""

    def make(folder: Path) -> None:
        images = folder / "images"
        taken: Counter[str] = Counter()
        with zipfile.ZipFile(cifar10_zip) as archive:
            for name in archive.namelist():
                place = str(Path(name).parent)
                if name.endswith(".jpg") and taken[place] < (8 if "/test/" in name else 5):
                    taken[place] += 1
                    path = images / Path(name).relative_to("cifar10")
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(archive.read(name))
        for network in ("resnet20", "densenet_bc100", "vgg11_quarter", "googlenet"):
            size = {"googlenet": 96, "vgg11_quarter": 32}.get(network)
            train(folder, network, str(images), network, batch_size=20, size=size, validation=0.25)

    return made_once(tmp_path_factory, "cifar-runs", make)


@pytest.fixture(scope="session")
def row_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on a table, of numbers and of classes, on a series, and one on images."""

    def make(folder: Path) -> None:
        numbers = np.random.default_rng(0).normal(size=(60, 2))
        rows = [f"{a:.4f},{b:.4f},{a + b:.4f},{'up' if a > 0 else 'down'}" for a, b in numbers]
        (folder / "table.csv").write_text("\n".join(("a,b,y,kind", *rows)))
        config = TrainConfig(epochs=2, device="cpu", precision="fp32")
        for name, target, other in (("numbers", "y", "kind"), ("classes", "kind", "y")):
            table = convnets.load_table(folder / "table.csv", target, drop=[other])
            convnets.train("mlp", table, config, output=folder, name=name, listeners=())
        tide = np.sin(np.arange(80) / 3)[None]
        windows = convnets.load_series(tide, "x1", window=16)
        convnets.train("mlp", windows, config, output=folder, name="windows", listeners=())
        train(folder, "softmax", "digits", "images")

    return made_once(tmp_path_factory, "row-runs", make)


@pytest.fixture
def studio() -> Callable[..., TestClient]:
    """`studio(folder)`: a client that has the token; to be used in a `with` block."""

    def open_(
        folder: Path, *, read_only: bool = False, data: str | None = None, any_data: bool = True
    ) -> TestClient:
        library = Library(folder, data, choose_hardware("cpu", "fp32", 1))
        app = create_studio(
            library, Access(token=TOKEN, open_paths=()), read_only=read_only, any_data=any_data
        )
        headers = {"Authorization": f"Bearer {TOKEN}"}
        return TestClient(app, base_url="http://localhost:8080", headers=headers)

    return open_


@pytest.fixture
def digits_studio(digits_runs: Path, studio: Callable[..., TestClient]) -> Iterator[TestClient]:
    with studio(digits_runs) as client:
        yield client


def array_of(answer: object) -> tuple[list[int], dict[str, object]]:
    """Shape and facts of an answer that is an array."""
    facts = json.loads(answer.headers["X-Array"])  # type: ignore[attr-defined]
    return facts["shape"], facts
