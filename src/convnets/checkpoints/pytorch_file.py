"""State dicts in PyTorch's own files (.pth, .pt): read as tensors alone, so that nothing in them is executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnets.errors import ModelFolderError

__all__ = ["read_state_dict"]

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
"""Keys under which training scripts keep the state dict, beside epoch and optimizer."""
_PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before each name."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The state dict in a PyTorch file, on the CPU; one that lies under a key such as `state_dict` is found.

    Prefixes of `nn.DataParallel` and `torch.compile` are taken off. Raises ModelFolderError for a file that is no
    state dict, or that holds more than tensors and plain values.

    >>> torch.save({"epoch": 3, "state_dict": {"module.weight": torch.ones(2)}}, tmp_path / "a.pth")
    >>> read_state_dict(tmp_path / "a.pth")
    {'weight': tensor([1., 1.])}
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read ({error.strerror})") from None
    except Exception as error:  # noqa: BLE001  a damaged or hostile file raises anything; none may pass as ours
        raise ModelFolderError(
            f"{path} is not a state dict of tensors ({_reason(error)}); save one with "
            "torch.save(network.state_dict(), FILE), or as .safetensors"
        ) from None
    found = _unwrapped(content)
    if found is None:
        raise ModelFolderError(
            f"{path} holds {_shown(content)}; allowed: a state dict, names and their tensors, alone or under "
            f"one of the keys {', '.join(_WRAPPERS)}"
        )
    return without_prefixes(found)


def without_prefixes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same without `module.` or `_orig_mod.` before every name.

    >>> list(without_prefixes({"_orig_mod.module.a": torch.ones(1)}))
    ['a']
    """
    for prefix in (*_PREFIXES, *_PREFIXES):
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return dict(tensors)


def _unwrapped(content: Any) -> dict[str, Tensor] | None:
    if not isinstance(content, Mapping):
        return None
    if content and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items()):
        return dict(content)
    inside = [content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)]
    return _unwrapped(inside[0]) if inside else None


def _shown(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"the keys {', '.join(map(repr, list(content)[:5])) or 'of nothing'}"
    return f"a {type(content).__name__}"


def _reason(error: Exception) -> str:
    """PyTorch's message on code inside a file is a page long, and advises to run it."""
    if "weights_only" in str(error) or "WeightsUnpickler" in str(error):
        return "it holds objects that only running its code could make, which is never done"
    lines = str(error).strip().splitlines()
    return lines[0][:100] if lines else type(error).__name__
