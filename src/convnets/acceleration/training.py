"""Acceleration for training: the network's graph with chains of layers in one kernel and measured convolutions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from torch import Tensor, fx, nn

from convnets.acceleration.chains import Chain, activation_of, find_chain
from convnets.acceleration.obstacles import find_obstacle
from convnets.acceleration.proof import find_difference
from convnets.acceleration.rewriting import modules_of, only_user, put_in_place
from convnets.acceleration.steps import ConvolutionStep, PlanFor, PointwiseStep
from convnets.acceleration.tracing import trace
from convnets.kernels.convolutions.plan import ONEDNN
from convnets.kernels.convolutions.shape import ConvolutionShape

__all__ = ["Acceleration", "accelerate"]


@dataclass(frozen=True)
class Acceleration:
    """An accelerated network, and what was done."""

    network: nn.Module
    """Called in the original's place while it trains; the original itself where nothing could be done."""
    fused: int
    """Chains of layers that became one step."""
    convolutions: int
    """Convolutions whose kernels are chosen by measurement."""
    obstacle: str | None = None
    """Why nothing was done."""


def accelerate(network: nn.Module, plan_for: PlanFor, images: Tensor | None = None) -> Acceleration:
    """Give `network` an accelerated form that computes the same from the same weights, buffers and modes, and faster.

    The network itself is left as it is: its modules, state dict, optimizers and copies know nothing of it.
    `plan_for` is asked once for each shape of a convolution, when it is first met.

    Only networks whose path through their layers cannot change from batch to batch are traced: those of the
    catalogue, and any made of PyTorch's own modules, as their classes define them. With `images` (N×C×S×S, of which
    the shape counts) both are also run once and compared (`find_difference`). Others come back unchanged,
    with the reason.

    >>> import torch
    >>> from convnets.kernels.convolutions.plan import ONEDNN
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
    >>> accelerated = accelerate(network, lambda shape: ONEDNN, torch.rand(2, 1, 8, 8))
    >>> accelerated.fused, accelerated.convolutions
    (1, 1)
    >>> accelerated.network(torch.rand(2, 1, 8, 8)).shape
    torch.Size([2, 4, 3, 3])
    """
    obstacle = find_obstacle(network)
    if obstacle is None and images is not None:
        try:
            obstacle = find_difference(network, _rewritten(network, lambda _: ONEDNN).network, images)
        except Exception as error:  # noqa: BLE001  whatever tracing or the network itself raises here
            obstacle = f"it cannot be traced ({type(error).__name__}: {' '.join(str(error).split())[:120]})"
    return _rewritten(network, plan_for) if obstacle is None else Acceleration(network, 0, 0, obstacle)


def _rewritten(network: nn.Module, plan_for: PlanFor) -> Acceleration:
    graph = trace(network)
    fused = _fuse_chains(graph)
    convolutions = _plan_convolutions(graph, plan_for)
    graph.delete_all_unused_submodules()
    graph.recompile()
    return Acceleration(graph, fused, convolutions)


def _fuse_chains(graph: fx.GraphModule) -> int:
    modules = modules_of(graph)
    calls = Counter(modules[str(node.target)] for node in graph.graph.nodes if node.op == "call_module")
    shared = {module for module, count in calls.items() if count > 1}
    fused = 0
    for node in list(graph.graph.nodes):
        chain = find_chain(node, modules) if node.users else None
        if chain is not None and (chain.norm not in shared or _keeps_order(chain, graph)):
            inputs = (chain.source,) if chain.residual is None else (chain.source, chain.residual)
            put_in_place(graph, chain.nodes, f"pointwise_{fused}", PointwiseStep(chain), inputs)
            fused += 1
    return fused


def _keeps_order(chain: Chain, graph: fx.GraphModule) -> bool:
    """Whether no other call of the chain's norm lies between its nodes.

    The chain runs where its last node was. The moving statistics of a norm that several layers share depend on the
    order of its calls, which would then be another one.
    """
    modules, nodes = modules_of(graph), list(graph.graph.nodes)
    between = nodes[nodes.index(chain.nodes[0]) + 1 : nodes.index(chain.nodes[-1])]
    called = [modules[str(node.target)] for node in between if node.op == "call_module"]
    return chain.norm not in [each.norm if isinstance(each, PointwiseStep) else each for each in called]


def _plan_convolutions(graph: fx.GraphModule, plan_for: PlanFor) -> int:
    modules = modules_of(graph)
    planned = 0
    for node in list(graph.graph.nodes):
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(module, nn.Conv2d) or not ConvolutionShape.supports(module):
            continue
        nodes, activation = [node], None
        following = only_user(node)
        if following is not None and activation_of(following, modules) == "relu":
            nodes, activation = [node, following], "relu"
        step = ConvolutionStep(module, plan_for, activation)
        put_in_place(graph, nodes, f"convolution_{planned}", step, node.args)
        planned += 1
    return planned
