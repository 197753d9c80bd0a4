"""Static quantization of an ONNX file: weights and maps in 8 bits, scales from training images, by ONNX Runtime."""

from __future__ import annotations

import logging
import platform
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnets.errors import ModelFolderError

__all__ = ["quantize", "weight_bits"]

# What has a kernel in 8 bits that gains by it, and what hands its maps on. Sigmoid, softmax and average pooling stay
# in float32: on the networks here their 8-bit kernels were slower.
_OPERATIONS = (
    *("Conv", "Gemm", "MatMul"),
    *("Relu", "Add", "Concat", "MaxPool", "GlobalAveragePool", "Reshape", "Flatten", "Transpose"),
)


def weight_bits() -> int:
    """How many bits weights get on this processor: 7 on x86 without VNNI, else 8.

    There ONNX Runtime multiplies by `vpmaddubsw`, which adds two products of 8 × 8 bits in 16 bits and saturates: the
    answers would be wrong. With weights of 7 bits no sum is too large.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return 8
    if torch.cpu._is_vnni_supported():  # AVX512-VNNI
        return 8
    try:
        return 8 if " avx_vnni " in Path("/proc/cpuinfo").read_text(errors="replace") else 7
    except OSError:  # another system: 7 bits are right everywhere
        return 7


def quantize(source: Path, target: Path, batches: Iterable[Tensor], *, bits: int) -> None:
    """Write `source` in 8 bits to `target`; `batches` are inputs that the ranges of the maps are taken from.

    Weights have a scale for each output channel and `bits` bits, biases 32. Raises ModelFolderError for a network
    that ONNX Runtime cannot quantize.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        try:
            _prepare(source, prepared)
            quantize_static(
                str(prepared),
                str(target),
                _reader(batches),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_OPERATIONS),
                per_channel=True,
                reduce_range=bits == 7,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        except Exception as failed:  # noqa: BLE001  its errors share no root but this
            line = " ".join(str(failed).split())[:160]
            raise ModelFolderError(f"the network cannot be quantized: {line}; leave --int8 out") from None


def _prepare(source: Path, target: Path) -> None:
    """Shapes of all maps inferred, where that works by symbols; else ONNX's own inference alone, as for `speednet`."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        quant_pre_process(str(source), str(target))
    except Exception:  # noqa: BLE001  what it stumbles over shares no root but this
        quant_pre_process(str(source), str(target), skip_symbolic_shape=True)


def _reader(batches: Iterable[Tensor]) -> Any:
    """What ONNX Runtime asks for inputs, until there are no more."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """One batch after the other."""

        def __init__(self) -> None:
            self._left: Iterator[Tensor] = iter(batches)

        def get_next(self) -> dict[str, Any] | None:
            found = next(self._left, None)
            return None if found is None else {"inputs": found.contiguous().numpy()}

    return Reader()


@contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime gives advice through the root logger at every quantization."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
