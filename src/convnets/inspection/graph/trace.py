"""trace_graph: a network's graph, found by running it once where nothing is computed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_map

from convnets.core.network_copy import copy_network
from convnets.errors import ConvnetsError, InputError, LayerError
from convnets.inspection.formatting import format_shape
from convnets.inspection.graph.network_graph import NetworkGraph
from convnets.inspection.graph.recording import GraphRecorder, tensors_in
from convnets.inspection.running.failure import describe_failure
from convnets.inspection.running.passes import image_shape, run_passes
from convnets.inspection.running.preserve_state import meta_copy_of, preserve_state, put_meta_tensors_in
from convnets.inspection.running.shapes import QuickShapes

__all__ = ["trace_graph", "without_compiler"]


def trace_graph(
    network: nn.Module,
    input_size: int | Sequence[int] | None = None,
    *,
    inputs: Sequence[Any] | None = None,
) -> NetworkGraph:
    """What `network` does with an input: every operation, the tensors between them, the modules they belong to.

    Takes any module. It is run once in evaluation mode on the meta device, without its weights, so that nothing is
    computed; a module that this is not possible for (one whose path depends on values, say) is run on an image of
    random numbers. What PyTorch does not report, such as a scripted module, becomes a single node. The network is
    left as found.

    Args:
        network: any module.
        input_size: C×H×W of one image (or C×L, C×D×H×W …); a single number is the side of a square image for a
            network of the catalogue, None the size that it is published with.
        inputs: what to call the network with instead of an image, batch axis included.

    Raises LayerError, an InputError, which names the layer that cannot take what it gets; InputError for a size that
    is none.

    >>> print(trace_graph(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), (1, 8, 8)))
    Sequential
    0  input  input      1×8×8
    1  0      Conv2d  0  4×6×6
    2  1      ReLU    1  4×6×6
    """
    plain = getattr(network, "_orig_mod", network)  # what torch.compile wrapped
    given = [_image(plain, image_shape(plain, input_size))] if inputs is None else inputs
    if any(is_lazy(each) for each in plain.parameters()):
        plain = _first_run(plain, given)
    # the meta device's own Python code would show in the place of a scripted module
    scripted = any(isinstance(each, torch.jit.ScriptModule) for each in plain.modules())
    with preserve_state(plain), torch.no_grad(), without_compiler():
        plain.eval()
        recorder, result = (None, None) if scripted else _try_weightless(plain, given)
        weightless = recorder is not None
        if recorder is None:
            recorder, result = _run(plain, given, input_size, inputs)
    outputs = recorder.finish(result)
    known = getattr(plain, "architecture", None)
    return NetworkGraph(
        network=getattr(known, "name", None) or type(plain).__name__,
        nodes=tuple(recorder.nodes),
        calls=tuple(recorder.calls),
        outputs=outputs,
        weightless=weightless,
        notes=tuple(_notes(plain, recorder)),
    )


def _image(network: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """A batch of one image of random numbers, of the type and on the device of the weights."""
    weight = next((each for each in network.parameters() if each.is_floating_point()), None)
    if weight is None:
        return torch.rand(1, *shape, generator=torch.Generator().manual_seed(0), device="cpu")
    if weight.device.type == "meta":
        return torch.empty(1, *shape, device="meta", dtype=weight.dtype)
    numbers = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0), device="cpu")
    return numbers.to(weight.device, weight.dtype)


def _first_run(network: nn.Module, given: Sequence[Any]) -> nn.Module:
    """A copy of a lazy network with the weights that its first run makes."""
    network = copy_network(network).eval()
    try:
        with torch.no_grad():
            network(*given)
    except RuntimeError as error:
        why = " ".join(str(error).split())[:160]
        raise InputError(
            f"{type(network).__name__}, run for the first time: {why}; give another input"
        ) from error
    return network


def _try_weightless(network: nn.Module, given: Sequence[Any]) -> tuple[GraphRecorder | None, Any]:
    """The same without weights; None where that cannot be done, or fails for a reason that a real run will tell."""
    try:
        return _run_weightless(network, given)
    except ConvnetsError:
        raise
    except Exception:  # noqa: BLE001  whatever a network cannot do without weights, it may do with them
        return None, None


def _run_weightless(network: nn.Module, given: Sequence[Any]) -> tuple[GraphRecorder, Any]:
    with preserve_state(network):
        put_meta_tensors_in(network)
        shadows = tree_map(lambda each: meta_copy_of(each) if isinstance(each, Tensor) else each, list(given))
        recorder = GraphRecorder(network, tuple(tensors_in(shadows)))
        with QuickShapes(), torch.device("meta"), recorder.watching():
            return recorder, network(*shadows)


def _run(
    network: nn.Module,
    given: Sequence[Any],
    input_size: int | Sequence[int] | None,
    inputs: Sequence[Any] | None,
) -> tuple[GraphRecorder, Any]:
    recorder = GraphRecorder(network, tuple(tensors_in(list(given))))
    try:
        with recorder.watching():
            return recorder, network(*given)
    except ConvnetsError:
        raise
    except Exception as error:  # whatever it is, the network refused this input
        found = run_passes(network, input_size, inputs, training=False)
        if found.evaluation.failure is not None:
            failure = describe_failure(found.evaluation, found.image)
            message = f"{type(network).__name__}, input {format_shape(found.input_shape)}: {failure}"
            raise LayerError(message, layer=failure.layer) from error
        why = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{type(network).__name__} failed: {why}; give another input") from error


def without_compiler() -> Any:
    """Compiled parts run as they were written. PyTorch 2.5 and older cannot be asked for that."""
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and asking would load the compiler
        return nullcontext()
    stance: Callable[[str], Any] | None = getattr(torch.compiler, "set_stance", None)
    return nullcontext() if stance is None else stance("force_eager")


def _notes(network: nn.Module, recorder: GraphRecorder) -> Iterator[str]:
    called = {call.path for call in recorder.calls}
    idle = [
        path
        for path, module in network.named_modules()
        if path not in called
        and (owned := {f"{path}.{name}" for name, _ in module.named_parameters()})
        and not owned & recorder.used
        and not isinstance(module, nn.ModuleList | nn.ModuleDict | torch.jit.ScriptModule)
        and type(module).forward is not nn.Module.forward
    ]
    outermost = [path for path in idle if not any(path.startswith(f"{other}.") for other in idle)]
    if outermost:
        yield f"not reached: {', '.join(outermost)}"
    unseen = [node.name for node in recorder.nodes if node.function == "unseen"]
    if unseen:
        yield f"not seen into: {', '.join(dict.fromkeys(unseen))}"
