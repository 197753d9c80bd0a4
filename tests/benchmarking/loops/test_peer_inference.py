"""Every engine gives the logits of the network in float64, whatever the batch."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from convnets.benchmarking.loops.peer_inference import (
    PROBES,
    OnnxRuntimePeer,
    OpenVinoPeer,
    OwnPeer,
    PlainPeer,
    peer_network,
)
from convnets.benchmarking.workload import Workload
from convnets.models.catalogue import model_entry

PLAIN = Workload("lenet_bn", "", 28, 8, 0.1, device="cpu", precision="fp32", threads=1)


@pytest.mark.parametrize("kind", [PlainPeer, OwnPeer, OnnxRuntimePeer, OpenVinoPeer])
@pytest.mark.parametrize("batch", [5, 64])
def test_the_answers_are_those_of_the_network_in_float64(kind: type[PlainPeer], batch: int) -> None:
    if kind is OpenVinoPeer:
        pytest.importorskip("openvino", reason="openvino is not installed; get it with: pip install openvino")
    network = peer_network(PLAIN).double()
    images = torch.randn(PROBES, 1, 28, 28, generator=torch.Generator().manual_seed(1)).double()
    with torch.inference_mode():
        expected = network(images)
    found = torch.tensor(kind(PLAIN).answers(batch)).double()
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-5


def test_a_slice_counts_its_images() -> None:
    peer = PlainPeer(PLAIN)
    peer.take(3)
    work = peer.run(4)
    assert work.images == 12
    assert work.seconds > 0


def test_folding_batch_norm_is_no_empty_work() -> None:
    network = peer_network(PLAIN)
    assert network.in_channels == model_entry("lenet_bn").in_channels
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert not network.training
    for norm in norms:
        assert norm.running_var is not None
        assert norm.running_var.std() > 0.1
