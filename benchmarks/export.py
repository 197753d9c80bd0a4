"""Every network of the catalogue as an ONNX file: how far its answers are from those of the network.

Usage: python benchmarks/export.py [NETWORK …] [--json FILE]

Weights are random, and so are batch norm's statistics, so that nothing is hidden by zeros and ones. Two sizes where the
network takes another than its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convnets.checkpoints.model_folder import TrainedModel
from convnets.data.preprocess import Preprocess
from convnets.errors import ConvnetsError
from convnets.models.catalogue import create_model, list_models, model_entry
from convnets.serving.export.onnx_export import export_onnx


def model_of(name: str, factor: float) -> TrainedModel:
    """With random statistics, at `factor` times its own size."""
    entry = model_entry(name)
    channels, size = entry.in_channels, round(entry.input_size * factor)
    network = create_model(name, in_channels=channels, num_classes=10, input_size=size, seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return TrainedModel(network, tuple("0123456789"), Preprocess.plain(channels, size))


def main() -> None:
    """Export one after the other and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.names or [entry.name for entry in list_models()]:
            for factor in (1.0, 1.25):
                started = time.monotonic()
                try:
                    found = export_onnx(model_of(name, factor), Path(folder) / "model.onnx", form="tensor")
                except ConvnetsError as error:
                    rows.append({"network": name, "factor": factor, "refused": str(error)})
                else:
                    row = {
                        "network": name,
                        "factor": factor,
                        "error": found.error,
                        "megabytes": found.megabytes,
                    }
                    rows.append({**row, "seconds": time.monotonic() - started})
                print(rows[-1], flush=True)
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
