"""trace_graph: a network's graph, found by running it once where nothing is computed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convnets.errors import ConvnetsError, InputError
from convnets.inspection.as_found import as_found, put_twins_in, twin_of
from convnets.inspection.graph import NetworkGraph
from convnets.inspection.graph_recording import GraphRecorder, tensors_in

__all__ = ["InputSize", "trace_graph"]

InputSize = Sequence[int] | Tensor | tuple[Tensor, ...]
"""C×H×W of one image (C×L of a series, D of a vector); or the very tensors, with their batch, that go in."""


def trace_graph(network: nn.Module, input_size: InputSize) -> NetworkGraph:
    """What `network` does with an input: every operation, the tensors between them, the modules they belong to.

    Takes any module. It is run once in evaluation mode on the meta device, without its weights, so that nothing is
    computed; a module that this is not possible for (one whose path depends on values, say) is run on an image of
    random numbers. What PyTorch does not report, such as a scripted module, becomes a single node. The network is
    left as found.

    Raises InputError where the network cannot take the input, naming the layer.

    >>> print(trace_graph(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), (1, 8, 8)))
    Sequential
    0  input  input      1×8×8
    1  0      Conv2d  0  4×6×6
    2  1      ReLU    1  4×6×6
    """
    plain = getattr(network, "_orig_mod", network)  # what torch.compile wrapped
    inputs = _make_inputs(plain, input_size)
    if any(is_lazy(each) for each in plain.parameters()):
        plain = copy.deepcopy(plain)  # the first run of a lazy module makes its weights
    with as_found(plain), torch.no_grad(), _without_compiler():
        plain.eval()
        try:
            recorder, result = _run_weightless(plain, inputs)
            weightless = True
        except ConvnetsError:
            raise
        except Exception:  # noqa: BLE001  whatever a network cannot do without weights, it may do with them
            recorder, result = _run(plain, inputs)
            weightless = False
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


def _make_inputs(network: nn.Module, input_size: InputSize) -> tuple[Tensor, ...]:
    if isinstance(input_size, Tensor):
        return (input_size,)
    sides = tuple(input_size)
    if sides and all(isinstance(each, Tensor) for each in sides):
        return tuple(tensors_in(sides))
    if not sides or any(isinstance(each, bool) or not isinstance(each, int) or each < 1 for each in sides):
        raise InputError(f"input size is {sides}; allowed: C×H×W of one image, such as (1, 28, 28)")
    weight = next((each for each in network.parameters() if each.is_floating_point()), None)
    device = torch.device("cpu") if weight is None else weight.device
    dtype = torch.get_default_dtype() if weight is None else weight.dtype
    generator = torch.Generator().manual_seed(0)
    numbers = torch.empty(1, *(each for each in sides if isinstance(each, int)))
    if device.type == "meta":
        return (numbers.to(device, dtype),)
    return (numbers.uniform_(generator=generator).to(device, dtype),)


def _run_weightless(network: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[GraphRecorder, Any]:
    with as_found(network):
        put_twins_in(network)
        shadows = tuple(twin_of(each) for each in inputs)
        recorder = GraphRecorder(network, shadows)
        with torch.device("meta"), recorder.watching():
            return recorder, network(*shadows)


def _run(network: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[GraphRecorder, Any]:
    recorder = GraphRecorder(network, inputs)
    try:
        with recorder.watching():
            return recorder, network(*inputs)
    except ConvnetsError:
        raise
    except Exception as error:  # whatever it is, the network refused this input
        where = recorder.failing or type(network).__name__
        why = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{where}: {why}; give another input size") from error


def _without_compiler() -> Any:
    """Compiled parts run as they were written. PyTorch 2.5 and older cannot be asked for that."""
    stance: Callable[[str], Any] | None = getattr(torch.compiler, "set_stance", None)
    return nullcontext() if stance is None else stance("force_eager")


def _notes(network: nn.Module, recorder: GraphRecorder) -> Iterator[str]:
    called = {call.path for call in recorder.calls}
    idle = [
        path
        for path, module in network.named_modules()
        if path not in called
        and next(module.parameters(), None) is not None
        and not isinstance(module, nn.ModuleList | nn.ModuleDict | torch.jit.ScriptModule)
        and type(module).forward is not nn.Module.forward
    ]
    outermost = [path for path in idle if not any(path.startswith(f"{other}.") for other in idle)]
    if outermost:
        yield f"not reached: {', '.join(outermost)}"
    unseen = [node.name for node in recorder.nodes if node.function == "unseen"]
    if unseen:
        yield f"not seen into: {', '.join(dict.fromkeys(unseen))}"
