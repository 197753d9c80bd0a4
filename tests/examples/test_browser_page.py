"""The page of `examples/browser`, in a real browser: it answers as the network does in Python."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import http.server
import json
import shutil
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convnets import Preprocess, create_model
from convnets.checkpoints.model_folder import TrainedModel
from convnets.core.storage.cache import cache_folder
from convnets.serving.export.onnx_export import export_onnx
from convnets.serving.predictor import Predictor

EXAMPLE = Path(__file__).parents[2] / "examples" / "browser"
VERSION = json.loads((EXAMPLE / "package.json").read_text())["dependencies"]["onnxruntime-web"]
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
ADDRESS = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
NEEDED = ("ort.wasm.min.js", "ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.mjs")


@pytest.fixture(scope="session")
def runtime() -> Path:
    """The three files of onnxruntime-web that the page loads, as `npm install` would bring them; kept in the cache."""
    folder = cache_folder() / "tests" / f"onnxruntime-web-{VERSION}"
    if not all((folder / name).exists() for name in NEEDED):
        archive = folder.parent / f"{folder.name}.tgz"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with urllib.request.urlopen(ADDRESS, timeout=60) as answer, archive.open("wb") as file:
                shutil.copyfileobj(answer, file)
        except OSError as error:
            pytest.skip(f"onnxruntime-web cannot be fetched from the npm registry: {error}")
        assert base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() == SHA512
        with tarfile.open(archive) as members:
            for name in NEEDED:
                content = members.extractfile(f"package/dist/{name}")
                assert content is not None
                (folder / name).write_bytes(content.read())
        archive.unlink()
    return folder


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def site(tmp_path: Path, runtime: Path) -> Path:
    """The example as a user has it after `npm install`, without a network yet."""
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "model.onnx"))
    shutil.copytree(runtime, folder / "node_modules" / "onnxruntime-web" / "dist")
    return folder


@pytest.mark.parametrize("channels", [1, 3])
def test_the_page_answers_as_the_network_does(
    channels: int, site: Path, tmp_path: Path, browser: Any
) -> None:
    classes = ("cat", "dog", "<b>emu</b>", "fox")
    network = create_model("lenet_bn", in_channels=channels, num_classes=4, input_size=28, seed=1)
    preprocess = Preprocess(channels, 28, 28, (0.3,) * channels, (0.1,) * channels)
    trained = TrainedModel(network.eval(), classes, preprocess)
    export_onnx(trained, site / "model.onnx")
    noise = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    picture = tmp_path / "noise.png"
    Image.fromarray(noise).save(picture)
    (expected,) = Predictor(trained).predict([picture], top=4)
    with served(site) as address:
        page = browser.new_page()
        page.goto(address)
        page.get_by_text("lenet_bn, 4 classes: cat, dog, <b>emu</b>, fox").wait_for()
        page.set_input_files("#file", picture)
        page.locator("tbody tr").first.wait_for()
        rows = [row.split("\t") for row in page.locator("tbody").inner_text().splitlines()]
        page.close()
    found = [(row[0].strip(), float(row[-1].strip(" %")) / 100) for row in rows]
    assert [name for name, _ in found] == [name for name, _ in expected.top]
    assert [share for _, share in found] == pytest.approx(
        [share for _, share in expected.top], abs=0.004 if channels == 1 else 0.001
    )


def test_what_is_missing_or_no_picture_is_said_in_one_line(site: Path, tmp_path: Path, browser: Any) -> None:
    with served(site) as address:
        page = browser.new_page()
        page.goto(address)
        page.get_by_text("model.onnx is not here; write it with: convnets export RUN").wait_for()
        trained = TrainedModel(
            create_model("lenet_bn", seed=0).eval(), tuple("abcdefghij"), Preprocess.plain(1, 28)
        )
        export_onnx(trained, site / "model.onnx", form="tensor")
        page.reload()
        page.get_by_text("the file takes tensors, not pictures").wait_for()
        export_onnx(trained, site / "model.onnx")
        page.reload()
        page.get_by_text("10 classes").wait_for()
        words = tmp_path / "words.png"
        words.write_text("no picture")
        page.set_input_files("#file", words)
        page.get_by_text("words.png is no picture that the browser can read").wait_for()
        page.close()
