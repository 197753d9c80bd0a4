"""A server in this process on a small trained model, and pictures to ask it about."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from torch import nn

from convnets.checkpoints.model_folder import TrainedModel, save_model
from convnets.core.hardware import choose_hardware
from convnets.data.preprocess import Preprocess
from convnets.models.catalogue import create_model
from convnets.serving.http.app import create_app
from convnets.serving.http.guard import Access
from convnets.serving.http.limits import Limits
from convnets.serving.http.served_model import ServedModel
from convnets.serving.http.service import Service
from convnets.serving.http.telemetry import RequestLog

CLASSES = tuple("abcdefghij")
Serve = Callable[..., "contextmanager[TestClient]"]


def trained(seed: int = 0) -> TrainedModel:
    network = create_model("lenet_bn", seed=seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.mul_(0.02)  # type: ignore[union-attr]  so that answers differ
    return TrainedModel(network, CLASSES, Preprocess(1, 28, 28, (0.3,), (0.3,)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_model(tmp_path / "run" / "model", trained()).parent


@pytest.fixture(scope="session")
def pictures() -> list[bytes]:
    """40 PNG files of several sizes."""
    numbers = np.random.default_rng(0)
    found = []
    for place in range(40):
        content = io.BytesIO()
        side = 20 + place
        Image.fromarray(numbers.integers(0, 256, (side, side), dtype=np.uint8)).save(content, "PNG")
        found.append(content.getvalue())
    return found


@pytest.fixture
def service(folder: Path) -> Service:
    return make_service(folder)


def make_service(folder: Path, **limits: float) -> Service:
    model = ServedModel("run", folder, choose_hardware("cpu", "fp32", 2))
    return Service({"run": model}, Limits(**limits), RequestLog(quiet=True))  # type: ignore[arg-type]


@contextmanager
def served(service: Service, access: Access | None = None) -> Iterator[TestClient]:
    app = create_app(service, access or Access(hosts=("testserver",)))
    with TestClient(app, raise_server_exceptions=True) as client:  # type: ignore[arg-type]
        yield client


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with served(service) as found:
        yield found
