"""Changing a network's parameters by name or pattern: freeze, share, replace, re-initialize.

Patterns are those of `parameters`. Everything is done in place and returns the names that it was done to.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from convnets.core.former_names import former_attribute
from convnets.errors import UnknownNameError, UsageError
from convnets.inspection.parameters.listing import find_parameters, no_such_name
from convnets.layers.initialization.initialize import Initializer, fill, initializer_for

__all__ = ["freeze", "reinitialize", "replace", "share", "unfreeze"]


def freeze(network: nn.Module, *patterns: str) -> list[str]:
    """No gradient for these parameters from now on; all of them without a pattern.

    Gradients that they hold are dropped, so that an optimizer made before leaves them alone too. Batch norm's moving
    statistics are no parameters: they move as long as the layer is in training mode.

    >>> network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    >>> freeze(network, "0")
    ['0.weight', '0.bias']
    """
    return _set_trainable(network, patterns, trainable=False)


def unfreeze(network: nn.Module, *patterns: str) -> list[str]:
    """Gradients for these parameters again; for all of them without a pattern."""
    return _set_trainable(network, patterns, trainable=True)


def _set_trainable(network: nn.Module, patterns: tuple[str, ...], *, trainable: bool) -> list[str]:
    found = find_parameters(network, *(patterns or ("*",)))
    for name, parameter in found.items():
        if trainable and not (parameter.is_floating_point() or parameter.is_complex()):
            raise UsageError(f"{name} holds {parameter.dtype}; only floating-point parameters get gradients")
        parameter.requires_grad_(trainable)
        if not trainable:
            parameter.grad = None
    return list(found)


def share(network: nn.Module, source: str, *targets: str) -> list[str]:
    """Let `targets` be the very parameter `source`: one set of numbers, one gradient, the sum over all its places.

    Names of parameters, or of modules whose parameters are then shared one by one. Raises UnknownNameError for a name
    that is not there and UsageError where shapes differ.

    >>> network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    >>> share(network, "0", "2")
    ['2.weight', '2.bias']
    """
    own = _by_inner_name(network, source)
    done = []
    for target in targets:
        other = _by_inner_name(network, target)
        if own.keys() != other.keys():
            raise UsageError(
                f"{source} has the parameters {', '.join(own)} and {target} has {', '.join(other)}; "
                "share modules of one kind"
            )
        for inner, parameter in own.items():
            if parameter.shape != other[inner].shape:
                shapes = f"{tuple(parameter.shape)} and {tuple(other[inner].shape)}"
                raise UsageError(
                    f"{source} and {target} differ in {inner or 'shape'}: {shapes}; share equal shapes"
                )
        for inner, parameter in own.items():
            name = f"{target}.{inner}" if inner else target
            _put_parameter(network, name, parameter)
            done.append(name)
    return done


def _by_inner_name(network: nn.Module, path: str) -> dict[str, nn.Parameter]:
    """A module's parameters by their names inside it; a parameter itself by the empty name."""
    parameters = dict(network.named_parameters(remove_duplicate=False))
    if path in parameters:
        return {"": parameters[path]}
    found = {name[len(path) + 1 :]: each for name, each in parameters.items() if name.startswith(f"{path}.")}
    if not found:
        paths = [name for name, _ in network.named_modules() if name]
        raise no_such_name("parameter or module", path, [*parameters, *paths])
    return found


def _put_parameter(network: nn.Module, name: str, parameter: nn.Parameter) -> None:
    path, _, last = name.rpartition(".")
    setattr(network.get_submodule(path), last, parameter)


def replace(
    network: nn.Module, what: str | type[nn.Module], make: nn.Module | Callable[[nn.Module], nn.Module]
) -> list[str]:
    """Put another module in the place of each that `what` matches: a name or pattern, or a class of modules.

    Args:
        what: modules by path (`classifier`, `stage*.1`), or all of a class; those inside a replaced one stay out.
        make: the module to put there, or a function from the old module to the new one. A module that stood at
            several places is made once and stands at all of them again. The mode (training or not) is kept.

    Raises UnknownNameError where nothing matches and UsageError for the network itself.

    >>> network = nn.Sequential(nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2), nn.Sigmoid())
    >>> replace(network, nn.Sigmoid, lambda old: nn.ReLU())
    ['1', '3']
    """
    paths = [
        path for path, module in network.named_modules(remove_duplicate=False) if _is(path, module, what)
    ]
    if "" in paths:
        raise UsageError(f"{type(network).__name__} is the network itself; replace modules inside it")
    paths = [path for path in paths if not any(path.startswith(f"{other}.") for other in paths)]
    if not paths:
        every = dict(network.named_modules())
        if isinstance(what, str):
            raise no_such_name("module", what, [path for path in every if path])
        kinds = sorted({type(module).__name__ for module in every.values()})
        raise UnknownNameError("kind of module", what.__name__, kinds)
    made: dict[nn.Module, nn.Module] = {}
    for path in paths:
        old = network.get_submodule(path)
        if old not in made:
            new = make if isinstance(make, nn.Module) else make(old)
            if not isinstance(new, nn.Module):
                raise UsageError(f"the function gave {type(new).__name__} for {path}; allowed: a module")
            made[old] = new.train(old.training)
        above, _, last = path.rpartition(".")
        setattr(network.get_submodule(above), last, made[old])
    return paths


def _is(path: str, module: nn.Module, what: str | type[nn.Module]) -> bool:
    return bool(path) and fnmatchcase(path, what) if isinstance(what, str) else isinstance(module, what)


@torch.no_grad()
def reinitialize(
    network: nn.Module, pattern: str, rule: str | Initializer, *, seed: int | None = None
) -> list[str]:
    """Draw the parameters that `pattern` matches anew, in place, by a rule of `layers.initialize` or one's own.

    The named rules are for weights, two axes or more: biases and batch norm that match are left as they are, unless
    nothing else matches. With a `seed` the numbers depend on it alone.

    >>> network = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    >>> reinitialize(network, "0", "kaiming-normal", seed=0)
    ['0.weight']
    """
    found = find_parameters(network, pattern)
    if isinstance(rule, str):
        weights = {name: parameter for name, parameter in found.items() if parameter.ndim >= 2}
        if not weights:
            shown = ", ".join(list(found)[:3])
            raise UsageError(
                f"{rule!r} is a rule for weights of two axes or more, not for {shown}; give a function"
            )
        found = weights
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    drawn: set[Tensor] = set()
    for name, parameter in found.items():
        if parameter not in drawn:  # a shared one once
            module = network.get_submodule(name.rpartition(".")[0])
            fill(parameter, initializer_for(module, rule), generator, name)
        drawn.add(parameter)
    return list(found)


__getattr__ = former_attribute(__name__, globals())
