"""OperatorMode: sees every operator below autograd, without loading PyTorch's compiler."""

from __future__ import annotations

from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["OperatorMode"]


class OperatorMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """PyTorch's `TorchDispatchMode`, which would import the compiler at its first operator: a second and a half.

    >>> class Names(OperatorMode):
    ...     def __torch_dispatch__(self, func, types, args=(), kwargs=None):
    ...         print(func)
    ...         return func(*args, **(kwargs or {}))
    >>> import torch
    >>> with Names():
    ...     _ = torch.ones(2).relu()
    aten.ones.default
    aten.relu.default
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False
