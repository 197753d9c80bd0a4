"""Inspect: the layers of any network in the order they run, with shapes, parameters, work and memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from convnets.core.display.renderers import renderer
from convnets.errors import LayerError
from convnets.inspection.cost.layer_cost import LayerCost, layer_costs
from convnets.inspection.cost.layer_fields import with_fields
from convnets.inspection.running.failure import Failure, describe_failure
from convnets.inspection.running.passes import Passes, run_passes

__all__ = ["NetworkSummary", "inspect"]


@dataclass(frozen=True)
class NetworkSummary:
    """All layers, and the totals of the network. Work and memory are for one image."""

    network: str
    """The catalogue's name, or that of its class."""
    input_shape: tuple[int, ...]
    """C×H×W of one image; of other inputs the first one's whole shape."""
    layers: tuple[LayerCost, ...]
    """Blocks and layers in the order in which they begin to run, then what is never called."""
    output_shape: tuple[int, ...] | None
    """Of the first tensor that it gives, with N; None where it failed or gives none."""
    parameters: int
    """Numbers in its weights, shared ones counted once."""
    trainable_parameters: int
    macs: int
    """Multiply-accumulates of convolutions and matrix products, padding included."""
    bias_operations: int
    norm_operations: int
    pooling_operations: int
    elementwise_operations: int
    weight_bytes: int
    """Memory of parameters and buffers."""
    peak_bytes: int
    """Most bytes of activations alive at one time in evaluation mode, the image among them."""
    kept_bytes: int | None
    """Bytes that autograd keeps for the backward pass, in training mode; None where that was not recorded."""
    kept_bytes_per_batch: int | None
    """Bytes that it keeps beside them however many images there are, such as batch norm's statistics."""
    uncounted: tuple[tuple[str, str], ...] = ()
    """Operators for whose work there is no rule, each with the layer that calls it: the totals lack them."""
    failure: Failure | None = None
    """Where it broke; the layers then end there, and the totals are those up to there."""

    @property
    def flops(self) -> int:
        """Floating-point operations of convolutions and matrix products: 2 for each MAC."""
        return 2 * self.macs

    @property
    def frozen_parameters(self) -> int:
        """Parameters that require no gradient."""
        return self.parameters - self.trainable_parameters

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; FLOPs stand beside the MACs."""
        content = asdict(self)
        layers = [{**asdict(layer), "flops": layer.flops} for layer in self.layers]
        return {**content, "flops": self.flops, "layers": layers}

    def text(self, depth: int | None = None, *, items: bool = False) -> str:
        """A table with its convention below.

        - `depth`: 1 collapses it to the top-level parts, 2 shows one level more …; None shows everything
        - `items`: also biases, norms, pooling and element-wise operations of every layer
        """
        return renderer(self, "text")(self, depth, items=items)

    def html(self, depth: int | None = None) -> str:
        """The table as an HTML `<div>`, with all operations of every layer; `depth` as in `text`."""
        return renderer(self, "html")(self, depth)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        layers = sum(not layer.is_block for layer in self.layers)
        counts = f"{self.parameters:,} parameters, {self.macs:,} MACs, {layers} layers"
        return f"NetworkSummary({self.network}: {counts})"

    def _repr_html_(self) -> str:
        """The table for a notebook."""
        return self.html()


def inspect(
    network: nn.Module,
    input_size: int | Sequence[int] | None = None,
    *,
    inputs: Sequence[Any] | None = None,
    training: bool = True,
    fields: bool = True,
) -> NetworkSummary:
    """Take a network apart: what comes out of each layer, its weights, its work and its memory.

    Nothing is computed and nothing allocated: shapes go through on the meta device, wherever the weights are. The
    network stays as found. Only a network that looks at values to decide what to run (`if x.max() > 0`) is copied
    and runs on zeros.

    Args:
        network: any module.
        input_size: C×H×W of one image (or C×L, C×D×H×W …); a single number is the side of a square image for a
            network of the catalogue, None the size that it is published with.
        inputs: what to call the network with instead of an image, batch axis included; work and memory are then
            those of the whole call.
        training: also record what autograd keeps, which takes two more passes, with 2 and 3 images.
        fields: also follow the receptive field of each layer, for images.

    Raises LayerError, an InputError, where a layer cannot take the shape that it gets: it names the layer, the shape
    and the one it needs, and its `partial` is the NetworkSummary up to there. Raises InputError for a size that is
    none.

    >>> found = inspect(nn.Sequential(nn.Conv2d(1, 6, kernel_size=5), nn.ReLU()), (1, 8, 8))
    >>> found.macs, found.flops, found.bias_operations, found.elementwise_operations
    (2400, 4800, 96, 96)
    >>> found.layers[0].output_shape, found.layers[0].parameters
    ((1, 6, 4, 4), 156)
    """
    passes = run_passes(network, input_size, inputs, training=training)
    found = _summary(network, passes)
    if found.failure is not None:
        shape = "×".join(map(str, found.input_shape))
        raise LayerError(
            f"{found.network}, input {shape}: {found.failure}", layer=found.failure.layer, partial=found
        )
    if fields and passes.image is not None:
        return replace(found, layers=with_fields(network, passes.image, found.layers))
    return found


def _summary(network: nn.Module, passes: Passes) -> NetworkSummary:
    root, work = passes.evaluation.root, passes.evaluation.root.work()
    known = getattr(network, "architecture", None)
    weights = list(network.parameters())
    tensors = {id(each): each for each in [*weights, *network.buffers()]}
    failed = passes.evaluation.failure is not None
    return NetworkSummary(
        network=type(network).__name__ if known is None else known.name,
        input_shape=passes.input_shape,
        layers=layer_costs(root, passes.kept, whole=not failed),
        output_shape=root.output_shape,
        parameters=sum(p.numel() for p in weights),
        trainable_parameters=sum(p.numel() for p in weights if p.requires_grad),
        macs=work.macs,
        bias_operations=work.bias,
        norm_operations=work.norm,
        pooling_operations=work.pooling,
        elementwise_operations=work.elementwise,
        weight_bytes=sum(each.numel() * each.element_size() for each in tensors.values()),
        peak_bytes=root.peak_bytes,
        kept_bytes=passes.kept_bytes,
        kept_bytes_per_batch=passes.kept_bytes_per_batch,
        uncounted=tuple((name, call.name) for call in root.walk() for name in call.uncounted),
        failure=describe_failure(passes.evaluation, passes.image) if failed else None,
    )
