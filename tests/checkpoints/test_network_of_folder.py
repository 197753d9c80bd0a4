"""A model folder's network: built without drawing values that the weights replace, where that loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from convnets.checkpoints import network_of_folder
from convnets.checkpoints.network_of_folder import build_network
from convnets.models.catalogue import create_model
from convnets.models.ensemble import create_ensemble


def architecture(name: str, **arguments: object) -> dict[str, object]:
    return {"name": name, "arguments": arguments}


SHAPES = {
    "lenet_bn": (1, 28, 28),
    "googlenet": (1, 96, 96),
    "resnet20": (3, 32, 32),
    "densenet_bc100": (3, 32, 32),
    "mlp": (1, 28, 28),
}


@pytest.mark.parametrize("name", SHAPES)
def test_it_is_the_network_and_the_random_generator_stays(name: str, tmp_path: Path) -> None:
    theirs = create_model(name, num_classes=7, seed=3).train()
    images = torch.rand(2, *SHAPES[name], generator=torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    ours = build_network(architecture(name, num_classes=7), theirs.state_dict(), tmp_path)
    assert torch.get_rng_state().equal(before)
    ours.load_state_dict(theirs.state_dict())
    mine, wanted = (dict(each.named_parameters()) for each in (ours, theirs))
    assert [(key, value.requires_grad, value.stride()) for key, value in mine.items()] == [
        (key, value.requires_grad, value.stride()) for key, value in wanted.items()
    ]
    assert ours.training
    assert ours.eval()(images).equal(theirs.eval()(images))
    assert ours.architecture == theirs.architecture


def test_an_ensemble_too(tmp_path: Path) -> None:
    arguments = {"member": architecture("softmax", input_size=8), "count": 2, "channels": 1}
    theirs = create_ensemble(**arguments)  # type: ignore[arg-type]
    ours = build_network({"name": "ensemble", "arguments": arguments}, theirs.state_dict(), tmp_path)
    ours.load_state_dict(theirs.state_dict())
    x = torch.rand(2, 1, 8, 8)
    assert ours.eval()(x).equal(theirs.eval()(x))


class Tied(nn.Module):
    """One weight in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight


class Loose(nn.Module):
    """A tensor that no file of weights holds."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.table = nn.Linear(3, 2), torch.arange(3.0)


class Unsaved(nn.Module):
    """A buffer that no file of weights holds."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)
        self.register_buffer("table", torch.arange(3.0), persistent=False)


@pytest.mark.parametrize("kind", [Tied, Loose, Unsaved])
def test_what_the_weights_do_not_hold_is_made_as_ever(
    kind: type[nn.Module], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_of_folder, "create_model", lambda _name: kind())
    found = build_network(architecture("own"), kind().state_dict(), tmp_path)
    if isinstance(found, Tied):
        assert found.second.weight is found.first.weight
    else:
        assert found.table.tolist() == [0, 1, 2]
