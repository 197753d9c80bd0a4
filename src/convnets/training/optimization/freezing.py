"""Freezing: which parts of a network learn in which epoch of a run, and which batch norms keep their statistics."""

from __future__ import annotations

from torch import nn

from convnets.errors import ConfigError
from convnets.inspection.parameters.listing import matching_names
from convnets.models.ends import class_dependent
from convnets.training.config import TrainConfig

__all__ = ["Freezing", "backbone_of", "check_freezing"]


def check_freezing(network: nn.Module, config: TrainConfig) -> None:
    """Raise UnknownNameError for a pattern that nothing matches, ConfigError where nothing would be left to learn.

    >>> check_freezing(nn.Linear(2, 2), TrainConfig(freeze=("weight", "bias")))
    Traceback (most recent call last):
    ...
    convnets.errors.ConfigError: freeze is weight,bias, all of Linear; allowed: patterns that leave something to learn
    """
    frozen = set(matching_names(network, *config.freeze)) if config.freeze else set()
    learned = {name for name, p in network.named_parameters() if p.requires_grad} - frozen
    if frozen and not learned:
        raise ConfigError(
            f"freeze is {','.join(config.freeze)}, all of {type(network).__name__}; "
            "allowed: patterns that leave something to learn"
        )
    if config.freeze_epochs and not learned & class_dependent(network):
        raise ConfigError(
            f"freeze_epochs is {config.freeze_epochs} and the last layer is frozen; nothing would learn in them: "
            "leave one of them out"
        )


def backbone_of(network: nn.Module) -> list[nn.Parameter]:
    """Trainable parameters of all layers but the last one, which depends on the classes.

    >>> [tuple(p.shape) for p in backbone_of(nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Linear(2, 2)))]
    [(2, 1, 3, 3)]
    """
    head = class_dependent(network)
    return [p for name, p in network.named_parameters() if p.requires_grad and name not in head]


class Freezing:
    """Which parameters learn, as `freeze` and `freeze_epochs` say; `undo` leaves them as they were found.

    What matches `freeze` never learns; in the first `freeze_epochs` epochs the last layer learns alone. A batch norm
    whose parameters do not learn keeps its moving statistics and normalizes by them, as in evaluation: they belong to
    what was learned before.
    """

    def __init__(self, network: nn.Module, config: TrainConfig) -> None:
        self._network, self._alone_epochs = network, config.freeze_epochs
        self._found = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
        if config.freeze:
            frozen = set(matching_names(network, *config.freeze))
            for name, parameter in network.named_parameters(remove_duplicate=False):
                if name in frozen:
                    _stop(parameter)
        self._backbone = backbone_of(network) if config.freeze_epochs else []
        self._alone = False

    def begin(self, epoch: int) -> bool:
        """Before each step of `epoch` (from 0); whether other parameters learn from now on."""
        alone = epoch < self._alone_epochs
        if alone == self._alone:
            return False
        self._alone = alone
        for parameter in self._backbone:
            if alone:
                _stop(parameter)
            else:
                parameter.requires_grad_(True)
        self._network.train()
        self.hold_statistics()
        return True

    def hold_statistics(self) -> None:
        """Put every batch norm of a frozen part into evaluation mode; the network has just been put into training."""
        for path, module in self._network.named_modules():
            if getattr(module, "running_mean", None) is not None and self._is_frozen(path):
                module.eval()

    def undo(self) -> None:
        """Every parameter learns or not as it did before the run."""
        for parameter, learned in self._found:
            parameter.requires_grad_(learned)

    def _is_frozen(self, path: str) -> bool:
        """Whether no parameter of a norm learns; of one without any, none of the part that it stands in."""
        while True:
            inside = list(self._network.get_submodule(path).parameters())
            if inside or not path:
                return bool(inside) and not any(parameter.requires_grad for parameter in inside)
            path = path.rpartition(".")[0]


def _stop(parameter: nn.Parameter) -> None:
    parameter.requires_grad_(False)
    parameter.grad = None
