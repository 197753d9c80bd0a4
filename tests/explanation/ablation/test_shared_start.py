"""What runs before the first part that is switched off runs once, and changes no answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.explanation.ablation import ablate as ablate_module
from convnets.explanation.ablation.ablate import ablate, ablate_groups
from convnets.explanation.ablation.parts import Part, channels_of


class Traps(nn.Module):
    """In-place layers, a layer that gives its very input, one that is called twice, a shortcut around the part."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.same, self.relu = nn.Identity(), nn.ReLU(inplace=True)
        self.twice = nn.Conv2d(4, 4, 1)
        self.part, self.after = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.same(x)
        y += 0.5  # changes x as well
        self.relu(y)
        y = self.twice(x)
        z = self.part(y)
        z = F.relu(self.after(z), inplace=True) + self.twice(x)
        return self.head(z.mean((2, 3)))


class Dreaming(nn.Module):
    """Random, also in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.part, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.first(x), 0.5, training=True)
        return self.head(self.part(x).mean((2, 3)))


class Remembering(nn.Module):
    """A layer hands something on beside its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.part, self.head = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 3)
        self.count = 0

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return self.head(self.part(self.first(x) * self.count).mean((2, 3)))


def images() -> ImageSet:
    pixels = torch.randint(256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return ImageSet(pixels, torch.arange(40) % 3, ("a", "b", "c"))


def settled(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(3)
    return make()


@pytest.mark.parametrize("make", [Traps, Dreaming, Remembering])
@pytest.mark.parametrize("at_once", [8, 64])
def test_answers_are_those_of_whole_passes(
    make: Callable[[], nn.Module], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablate_module, "images_at_once", lambda *_: at_once)
    parts = [*channels_of("part", 4), Part("part", (0, 2))]
    shared = ablate(settled(make), images(), Preprocess.plain(1, 8), parts)
    monkeypatch.setattr(ablate_module, "_WORTH_SHARING", 1000)
    whole = ablate(settled(make), images(), Preprocess.plain(1, 8), parts)
    if make is not Remembering:  # which answers differently each time that it is asked
        assert shared.effects == whole.effects
    else:
        assert len(shared.effects) == len(whole.effects) == 5


def test_the_start_runs_twice_for_a_batch_and_no_more() -> None:
    network = settled(Traps)
    seen: dict[str, int] = {"convolution": 0, "stem": 0, "part": 0}

    def counting(name: str, forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def run(x: Tensor) -> Tensor:
            seen[name] += 1
            return forward(x)

        return run

    convolution, part = network.stem[0], network.part
    convolution.forward = counting("convolution", convolution.forward)
    part.forward = counting("part", part.forward)
    own = dict(vars(network.stem)), vars(convolution)["forward"]
    ablate(network, images(), Preprocess.plain(1, 8), channels_of("part", 4))
    # a look at the network, then the whole pass; the five that follow begin where the part does
    assert seen == {"convolution": 2, "stem": 0, "part": 7}
    assert (dict(vars(network.stem)), vars(convolution)["forward"]) == own
    assert "forward" not in vars(network.stem)


def test_groups_are_switched_off_together() -> None:
    network, own, preprocess = settled(Traps), images(), Preprocess.plain(1, 8)
    groups = [[Part("part", ())], [Part("part", (0,)), Part("after", (1,))], [Part("part", (0, 1))]]
    found = ablate_groups(network, own, preprocess, groups)
    for group, effect in zip(groups, found.effects, strict=True):
        assert ablate(network, own, preprocess, group, together=True).effects[0] == effect
    assert found.effects[0].change == found.effects[0].loss_change == 0
