"""The worker: one side of a comparison in a process of its own, so that no setting of one side reaches another.

It is started as `python -m convnets.benchmarking.worker` and speaks lines of JSON: it reads what to prepare, then
what to run, on standard input, and answers each on standard output. It ends when standard input is closed, which
the kernel does for it when the process that started it is gone, however that ended.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import queue
import threading
import warnings
from typing import TYPE_CHECKING, Any, TextIO

from convnets.errors import ConvnetsError

if TYPE_CHECKING:
    from convnets.benchmarking.loop import Loop

__all__ = ["main"]

# imported by name, so that a side's process holds nothing of the others
_LOOPS = {
    ("training", "standard"): ("loops.standard_loop", "StandardLoop"),
    ("training", "hand-tuned"): ("loops.hand_tuned_loop", "HandTunedLoop"),
    ("training", "compiled"): ("loops.compiled_loop", "CompiledLoop"),
    ("training", "convnets"): ("loops.own_loop", "OwnLoop"),
    ("inference", "standard"): ("loops.plain_inference", "PlainInference"),
    ("inference", "convnets"): ("loops.own_inference", "OwnInference"),
    ("peers", "convnets"): ("loops.peer_inference", "OwnPeer"),
    ("peers", "pytorch"): ("loops.peer_inference", "PlainPeer"),
    ("peers", "torch.compile"): ("loops.peer_inference", "CompiledPeer"),
    ("peers", "onnxruntime"): ("loops.peer_inference", "OnnxRuntimePeer"),
    ("peers", "openvino"): ("loops.peer_inference", "OpenVinoPeer"),
}


def main() -> None:
    """Answer requests until there are no more."""
    warnings.simplefilter("ignore")  # such as PyTorch's advice on the number of DataLoader workers
    replies = _private_stdout()
    requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    try:
        _answer(requests, replies)
    except ConvnetsError as error:
        _reply(replies, {"error": type(error).__name__, "message": str(error)})


def _answer(requests: queue.SimpleQueue[dict[str, Any] | None], replies: TextIO) -> None:
    loop: Loop | None = None
    while (request := requests.get()) is not None:
        if "peak" in request:
            from convnets.benchmarking.measures.peak import measure_peaks

            _reply(replies, measure_peaks(request["peak"], request["threads"]))
        elif "side" in request:
            loop = _build(request["kind"], request["side"], request["workload"])
            _reply(replies, {})
        elif "kernels" in request:
            _reply(replies, getattr(loop, "kernels", dict)())
        elif "answers" in request:
            peer: Any = loop
            peer.take(request["answers"])
            _reply(replies, {"answers": peer.answers(request["answers"])})
        else:
            assert loop is not None
            _reply(replies, loop.run(request["steps"]).to_dict())


def _build(kind: str, side: str, values: dict[str, Any]) -> Loop:
    from convnets.benchmarking.workload import Workload

    workload = Workload.from_dict(values)
    module, name = _LOOPS[kind, side]
    loop: Loop = getattr(importlib.import_module(f"convnets.benchmarking.{module}"), name)(workload)
    return loop


def _listen(requests: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    """Pass requests on; when there can be no more, end this process, even in the middle of a step."""
    stdin = io.FileIO(0, closefd=False)  # without a buffer, whose lock would be waited for at the end
    while line := stdin.readline():
        requests.put(json.loads(line) or None)  # {} asks for a quiet end
    os._exit(1)


def _private_stdout() -> TextIO:
    """Standard output for replies alone: what anything else prints goes to standard error."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def _reply(replies: TextIO, content: dict[str, Any]) -> None:
    replies.write(json.dumps(content) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
