"""Peers: the engines that a trained network can be asked through, on the same images, each in a process of its own."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from convnets.acceleration.inference import for_inference
from convnets.benchmarking.loop import Work
from convnets.benchmarking.workload import Workload, plain_hardware
from convnets.checkpoints.onnx.onnx_copy import onnx_copy, write_network
from convnets.core.hardware import choose_hardware
from convnets.core.seeds import derive_seed
from convnets.errors import UsageError
from convnets.models.catalogue import create_model
from convnets.models.contract import ImageClassifier

__all__ = ["CompiledPeer", "OnnxRuntimePeer", "OpenVinoPeer", "OwnPeer", "PlainPeer", "peer_network"]

PROBES = 64
"""Images whose answers are compared."""


def peer_network(workload: Workload) -> ImageClassifier:
    """The network in evaluation mode, with random statistics of batch norm, so that folding it is no empty work."""
    network = create_model(
        workload.network, input_size=workload.size, seed=derive_seed(workload.seed, "network")
    ).eval()
    generator = torch.Generator().manual_seed(workload.seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is not None:
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return network


class PlainPeer:
    """PyTorch as it comes: float32, N×C×H×W, `inference_mode`."""

    def __init__(self, workload: Workload) -> None:
        self._settle(workload)
        self.network = peer_network(workload)
        self.shape = (self.network.in_channels, workload.size, workload.size)
        self.ask: Callable[[Tensor], Tensor] = self._prepared()
        self.images = self._random(1, seed=0)

    def _settle(self, workload: Workload) -> None:
        self.hardware = plain_hardware(workload)

    def _prepared(self) -> Callable[[Tensor], Tensor]:
        return self.network

    def _random(self, count: int, seed: int) -> Tensor:
        return torch.randn(count, *self.shape, generator=torch.Generator().manual_seed(seed))

    def take(self, batch: int) -> None:
        """Be asked for `batch` images at once from now on."""
        self.images = self._random(batch, seed=batch)

    def answers(self, batch: int) -> list[list[float]]:
        """Logits of 64 random images, asked for in batches of `batch`."""
        with torch.inference_mode():
            found = [self.ask(some) for some in torch.split(self._random(PROBES, seed=1), batch)]
        return [[float(value) for value in row] for row in torch.cat(found)]

    @torch.inference_mode()
    def run(self, steps: int) -> Work:
        """`steps` batches."""
        started = time.perf_counter()
        for _ in range(steps):
            self.ask(self.images)
        return Work(steps * len(self.images), time.perf_counter() - started, 0.0, None)


class OwnPeer(PlainPeer):
    """What `Predictor`, `evaluate` and the server ask."""

    def _settle(self, workload: Workload) -> None:
        self.hardware = choose_hardware(workload.device, workload.precision, workload.threads)

    def _prepared(self) -> Callable[[Tensor], Tensor]:
        return for_inference(self.network, self.hardware.dtype)


class CompiledPeer(PlainPeer):
    """`torch.compile` as it comes, compiled for each batch size by itself."""

    def _prepared(self) -> Callable[[Tensor], Tensor]:
        return torch.compile(self.network, dynamic=False)


class OnnxRuntimePeer(PlainPeer):
    """ONNX Runtime on the exported network, tensors handed over without a copy."""

    def _prepared(self) -> Callable[[Tensor], Tensor]:
        return onnx_copy(self.network, self.shape)


class OpenVinoPeer(PlainPeer):
    """OpenVINO on the exported network, tuned for the latency of one batch, in float32."""

    def _prepared(self) -> Callable[[Tensor], Tensor]:
        if importlib.util.find_spec("openvino") is None:
            raise UsageError("openvino is not installed; install it with: pip install openvino")
        import openvino

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            write_network(self.network, self.shape, path)
            model = openvino.Core().read_model(str(path))
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.hardware.threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        request = openvino.compile_model(model, "CPU", settings).create_infer_request()

        def ask(images: Tensor) -> Tensor:
            given = images.numpy()
            return torch.from_numpy(
                request.infer({0: given}, share_inputs=True, share_outputs=True)[0].copy()
            )

        return ask
