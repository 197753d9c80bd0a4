"""Fixtures that several rooms share: the real data sets where they are, tiny made-up ones everywhere."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

# Before PyTorch is imported: the tests' tensors are tiny, and several test processes share the cores
os.environ["OMP_NUM_THREADS"] = "1"
# PyTorch's compiler: here, not in processes of its own, and without building eight programs to see which vectors do
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
os.environ.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "0")


def _data_file(*parts: str, remedy: str) -> Path:
    root = os.environ.get("CONVNETS_DATA")
    path = Path(root, *parts) if root else None
    if path is None or not path.exists():
        give_up = pytest.fail if os.environ.get("CONVNETS_REQUIRE_DATA") else pytest.skip
        give_up(f"{'/'.join(parts)} is not under $CONVNETS_DATA ({root or 'not set'}); {remedy}")
    return path


@pytest.fixture(scope="session")
def fashion_mnist_root() -> Path:
    """The data root that holds the four real Fashion-MNIST files."""
    remedy = "get it with: CONVNETS_DATA=FOLDER convnets data download fashion-mnist"
    return _data_file("fashion-mnist", "train-images-idx3-ubyte.gz", remedy=remedy).parent.parent


@pytest.fixture(scope="session")
def cifar10_zip() -> Path:
    """The real zip of CIFAR-10's images as JPEGs in cifar10/{train,test}/CLASS/."""
    return _data_file("cifar10-images.zip", remedy="put a zip of the images as JPEGs there")


@pytest.fixture
def forked_workers() -> Iterator[None]:
    """Workers are forked, the default on Linux before Python 3.14, and so have what the test patched in its process."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regenerate-golden", action="store_true", help="write the golden files under tests/golden anew"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)`: the text is that of tests/golden/NAME; --regenerate-golden writes the file instead."""

    def check(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--regenerate-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")
        assert path.is_file(), f"{path} is missing; write it with: pytest --regenerate-golden"
        assert text + "\n" == path.read_text("utf-8"), f"{path} differs; see with: pytest --regenerate-golden"

    return check


@pytest.fixture(autouse=True)
def one_register_of_operators() -> None:
    """PyTorch's ONNX exporter reads its operators once for all tests of a process: half a second less per export."""
    exporter = sys.modules.get("torch.onnx._internal.exporter._registration")  # once some test has exported
    if exporter is not None and not hasattr(exporter.ONNXRegistry.from_torchlib, "cache_info"):
        exporter.ONNXRegistry.from_torchlib = staticmethod(cache(exporter.ONNXRegistry.from_torchlib))


def _fixtures(name: str) -> Any:
    """A module of tests/fixtures/."""
    spec = spec_from_file_location(name, Path(__file__).parent / "fixtures" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def warm_python() -> Iterator[Any]:
    """A `WarmPython` (tests/fixtures/warm_python.py): starts Python with all libraries loaded but ours."""
    warm = _fixtures("warm_python").WarmPython()
    yield warm
    warm.close()


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Hub of models on this machine (tests/fixtures/fake_hub.py), which the Hub's client is pointed to."""
    hub = _fixtures("fake_hub").FakeHub()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub._commit_api.is_xet_available", lambda: False)  # a service of its own
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, a `playwright.sync_api.Browser`; of one module, since no other event loop can run while it is open."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no Chromium; install it with: apt-get install chromium (scripts/browser does)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()
