"""Acceleration for inference: batch norm folded into the layer before it, weights in the type they run in."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from convnets.acceleration.chains import find_chain
from convnets.acceleration.obstacles import find_obstacle
from convnets.acceleration.proof import PROOF_IMAGES, find_difference_in_answers
from convnets.acceleration.rewriting import modules_of, only_user, put_in_place
from convnets.acceleration.steps import PointwiseStep
from convnets.acceleration.tracing import trace
from convnets.core.memory_layout import make_channels_last
from convnets.core.network_copy import copy_network
from convnets.core.undisturbed import undisturbed

__all__ = ["for_inference"]

_log = logging.getLogger(__name__)


def for_inference(network: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A copy of `network` for evaluation alone, with the same logits and less work; the network stays as it is.

    Batch norm behind a convolution or a linear layer becomes part of its weights: with y = γ (w·x + b − μ) / σ + β
    the weights are γ w / σ and the bias γ (b − μ) / σ + β (Jacob et al. 2018, arXiv 1712.05877, section 3.2).
    For `torch.bfloat16` the weights are kept in it and the input is rounded to it; logits come back in float32.
    At its first call the copy is compared with the network. A network that cannot be traced safely (see
    `accelerate`), whose copy answers otherwise, or whose weights are not float32, is used itself.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).eval()
    >>> [type(module).__name__ for module in for_inference(network).accelerated.children()]
    ['Conv2d']
    """
    if find_obstacle(network) is not None or any(p.dtype is not torch.float32 for p in network.parameters()):
        return network
    try:
        graph = trace(_copy_for_evaluation(network))
    except Exception:  # noqa: BLE001  tracing stops at almost anything that is no plain call of a layer
        return network
    _drop_dropout(graph)
    _fold_batch_norm(graph)
    _fuse_chains(graph)
    graph.delete_all_unused_submodules()
    graph.recompile()
    return _InferenceTwin(network, graph, dtype)


class _InferenceTwin(nn.Module):
    """The accelerated network once its first answers were those of the network, else the network as it is."""

    def __init__(self, network: nn.Module, accelerated: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self._network = (network,)  # in a tuple, so that it is no part of this module
        self.accelerated, self.dtype = accelerated, dtype
        self._is_equal: bool | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self._is_equal is None:
            self._is_equal = self._prove(x[:PROOF_IMAGES])
        if not self._is_equal:
            answer: Tensor = self._network[0](x)
            return answer
        with torch.autocast(x.device.type, enabled=False):  # the weights have their type already
            layout = torch.channels_last if x.dim() == 4 else torch.contiguous_format
        logits: Tensor = self.accelerated(x.to(self.dtype, memory_format=layout))
        return logits.float()

    def _prove(self, images: Tensor) -> bool:
        (network,) = self._network
        with undisturbed(network):
            found = find_difference_in_answers(network.eval(), self.accelerated, images)
        if found is not None:
            _log.warning("the network is used as it is, without its faster copy: %s", found)
            return False
        self.accelerated.to(self.dtype)
        make_channels_last(self.accelerated)
        return True


def _copy_for_evaluation(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        return copy_network(network).eval().requires_grad_(False)


def _drop_dropout(graph: fx.GraphModule) -> None:
    modules = modules_of(graph)
    for node in list(graph.graph.nodes):
        if node.op == "call_module" and isinstance(modules[str(node.target)], nn.Dropout | nn.Identity):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)


def _fold_batch_norm(graph: fx.GraphModule) -> None:
    for node in list(graph.graph.nodes):
        following = only_user(node)
        if node.op != "call_module" or following is None or following.op != "call_module":
            continue
        modules = modules_of(graph)
        layer, norm = modules[str(node.target)], modules[str(following.target)]
        calls = sum(each.target == node.target for each in graph.graph.nodes)
        if calls > 1:  # shared by another call, whose result is not normalized by this norm
            continue
        folded: nn.Module
        if type(layer) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.track_running_stats:
            folded = fuse_conv_bn_eval(layer, norm)
        elif type(layer) is nn.Linear and type(norm) is nn.BatchNorm1d and norm.track_running_stats:
            folded = fuse_linear_bn_eval(layer, norm)
        else:
            continue
        put_in_place(graph, [node, following], f"folded_{len(modules)}", folded, node.args)


def _fuse_chains(graph: fx.GraphModule) -> None:
    modules = modules_of(graph)
    for node in list(graph.graph.nodes):
        chain = find_chain(node, modules) if node.users else None
        if chain is not None and chain.norm is None:  # batch norm in evaluation is one pass already
            put_in_place(graph, chain.nodes, f"pointwise_{node.name}", PointwiseStep(chain), (chain.source,))
