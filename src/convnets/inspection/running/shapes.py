"""Outputs of common operators on the meta device, where PyTorch's own rules take long or import its compiler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from convnets.inspection.running.operator_mode import OperatorMode

__all__ = ["QuickShapes", "output_without_values"]

_ATEN = torch.ops.aten
_ONE_BY_ONE = {
    operator.default for operator in (_ATEN.relu, _ATEN.sigmoid, _ATEN.tanh, _ATEN.hardtanh, _ATEN.silu)
}
_PAIRWISE = {_ATEN.add.Tensor, _ATEN.mul.Tensor}
_MEAN = _ATEN.mean.dim
_BATCH_NORM, _ADDMM, _CAT = _ATEN.native_batch_norm.default, _ATEN.addmm.default, _ATEN.cat.default


class QuickShapes(OperatorMode):
    """Where it is entered, meta tensors get their shapes by the rules of this file, and PyTorch's for the rest.

    >>> with QuickShapes():
    ...     torch.empty(2, 3, device="meta").relu().shape
    torch.Size([2, 3])
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        known = None if kwargs else output_without_values(func, args)
        return func(*args, **(kwargs or {})) if known is None else known


def output_without_values(operator: Any, args: tuple[Any, ...]) -> Any:
    """What `operator` gives for meta tensors; None where PyTorch has to be asked.

    Only what needs no type promotion and no broadcasting: floating-point tensors of one type, whose shapes fit.

    >>> output_without_values(torch.ops.aten.relu.default, (torch.empty(2, 3, device="meta"),)).shape
    torch.Size([2, 3])
    """
    if operator in _ONE_BY_ONE:
        return torch.empty_like(args[0]) if _plain(*args[:1]) else None
    if operator in _PAIRWISE and all(isinstance(each, Tensor) for each in args) and _plain(*args):
        alike = args[0].shape == args[1].shape and args[0].stride() == args[1].stride()
        return torch.empty_like(args[0]) if alike else None
    if operator is _MEAN and _plain(args[0]) and args[0].is_contiguous():
        return _reduced(*args)
    if operator is _CAT and _plain(*args[0]):
        return _joined(*args)
    if operator is _BATCH_NORM:
        images, channels = args[0], args[0].shape[1:2]
        if images.is_meta and all(each is None or each.shape == channels for each in args[1:5]):
            return _batch_norm(images)
    if operator is _ADDMM and _plain(*args[:3]):
        bias, rows, columns = args[:3]
        if rows.dim() == columns.dim() == 2 and rows.shape[1] == columns.shape[0]:
            shape = (rows.shape[0], columns.shape[1])
            return rows.new_empty(shape) if bias.shape == shape[1:] else None
    return None


def _plain(*tensors: Tensor) -> bool:
    return all(
        each.is_meta and each.is_floating_point() and each.dtype == tensors[0].dtype for each in tensors
    )


def _reduced(tensor: Tensor, dims: Sequence[int] | None, keep: bool = False) -> Tensor | None:
    if not dims:
        return None
    gone = {dim % tensor.dim() for dim in dims}
    sizes = [1 if dim in gone else size for dim, size in enumerate(tensor.shape) if keep or dim not in gone]
    return tensor.new_empty(sizes)


def _joined(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    first = tensors[0].shape
    dim %= len(first)
    others = {each.shape[:dim] + each.shape[dim + 1 :] for each in tensors}
    if len(others) > 1 or not all(each.dim() == len(first) and each.is_contiguous() for each in tensors):
        return None
    size = sum(each.shape[dim] for each in tensors)
    return tensors[0].new_empty((*first[:dim], size, *first[dim + 1 :]))


def _batch_norm(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The output, and the mean and 1/σ of each channel, as PyTorch's own rule for the meta device has them."""
    wide = torch.float32 if images.dtype in (torch.float16, torch.bfloat16) else images.dtype
    mean, scale = (images.new_empty(images.shape[1:2], dtype=wide) for _ in range(2))
    return torch.empty_like(images), mean, scale
