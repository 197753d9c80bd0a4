"""Ablation, against weights zeroed by hand; the planted cue goes with its channels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.core.network_copy import copy_network
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import InputError, UnknownNameError
from convnets.evaluation.evaluate import evaluate
from convnets.explanation.ablation.ablate import ablate, ablate_channels
from convnets.explanation.ablation.parts import Part, branches_of
from convnets.explanation.ablation.switch import make_switch
from convnets.explanation.inside.patches import find_patches
from convnets.models.catalogue import create_model


def zeroed(network: nn.Sequential, layer: int, channels: list[int]) -> nn.Module:
    """A copy whose convolution gives zeros in some channels, because its weights there are zero."""
    copy = copy_network(network)
    with torch.no_grad():
        copy[layer].weight[channels] = 0
        copy[layer].bias[channels] = 0
    return copy


def test_zero_is_what_zero_weights_give(planted: Any) -> None:
    model, images = planted.model, planted.data.test
    parts = [Part("0", (3,)), Part("4", (0, 7, 8)), Part("4")]
    found = ablate(model.network, images, model.preprocess, parts)
    before = evaluate(model.network, images, model.preprocess)
    for part, effect in zip(parts, found.effects, strict=True):
        channels = list(range(32)) if part.channels is None else list(part.channels)
        by_hand = evaluate(zeroed(model.network, int(part.layer), channels), images, model.preprocess)
        assert effect.accuracy == pytest.approx(by_hand.accuracy, abs=1e-9)
        assert effect.change == pytest.approx(by_hand.accuracy - before.accuracy, abs=1e-9)
        assert effect.loss_change == pytest.approx(by_hand.loss - before.loss, abs=1e-5)
        turned = by_hand.probabilities.argmax(1) != before.probabilities.argmax(1)
        assert effect.turned == int(turned.sum())
        assert effect.low <= effect.accuracy <= effect.high
        assert effect.change_low <= effect.change <= effect.change_high
    both = ablate(model.network, images, model.preprocess, [Part("0", (3,)), Part("4", (5,))], together=True)
    by_hand = zeroed(zeroed(model.network, 0, [3]), 4, [5])  # type: ignore[arg-type]
    assert both.effects[0].accuracy == evaluate(by_hand, images, model.preprocess).accuracy


def test_mean_and_resample_by_hand(planted: Any) -> None:
    model, images = planted.model, planted.data.test.subset(range(40))
    x = model.preprocess(images.pixels)
    with torch.no_grad():
        maps = model.network[:1](x)
    mean = maps.double().mean((0, 2, 3)).float()
    maps[:, 2] = mean[2]
    with torch.no_grad():
        loss = F.cross_entropy(model.network[1:](maps), images.labels)
        before = F.cross_entropy(model.network(x), images.labels)
    found = ablate(model.network, images, model.preprocess, [Part("0", (2,))], how="mean")
    assert found.effects[0].loss_change == pytest.approx(float(loss - before), abs=1e-5)
    switch = make_switch("resample", model.network, "0", images, model.preprocess, seed=3)
    with torch.no_grad():
        own = model.network[:1](x)
    changed = switch.change(Part("0", (2, 5)), 0)(own.clone())
    others = [channel for channel in range(16) if channel not in (2, 5)]
    assert torch.equal(changed[:, others], own[:, others])
    for image in range(40):
        donors = [each for each in range(40) if torch.equal(changed[image, [2, 5]], own[each, [2, 5]])]
        assert donors
        assert image not in donors
    again = [
        ablate(model.network, images, model.preprocess, [Part("0", (2,))], how="resample", seed=seed).effects[
            0
        ]
        for seed in (1, 1, 2)
    ]
    assert again[0] == again[1]
    assert again[0].loss_change != again[2].loss_change


def test_the_channels_of_the_cue_carry_the_cue(planted: Any) -> None:
    """Test images of other classes with the square are taken for its class, and no longer without its channels."""
    model = planted.model
    before = evaluate(model.network, planted.moved, model.preprocess)
    fooled = (before.probabilities.argmax(1) == 3).double().mean()
    assert fooled > 0.8
    patches = find_patches(
        model.network, planted.data.train.subset(range(600)), model.preprocess, "2", units=range(16), count=6
    )
    cue = tuple(
        unit
        for unit, found in patches.patches.items()
        if all(bool((patches.pixels[patch] == 255).any()) for patch in found)
    )
    found = ablate(model.network, planted.moved, model.preprocess, [Part("2", cue)], how="mean")
    others = tuple(unit for unit in range(16) if unit not in cue)[: len(cue)]
    control = ablate(model.network, planted.moved, model.preprocess, [Part("2", others)], how="mean")
    assert found.effects[0].change > 0.1
    assert found.effects[0].change_low > 0
    assert control.effects[0].change < found.effects[0].change / 2
    # the share that is still taken for the cue's class, with the same means by hand
    with torch.no_grad():
        maps = model.network[:3](model.preprocess(planted.moved.pixels))
        maps[:, list(cue)] = maps[:, list(cue)].mean((0, 2, 3), keepdim=True)
        still = (model.network[3:](maps).argmax(1) == 3).double().mean()
    assert still < fooled / 4


def test_ranking_and_files(planted: Any, tmp_path: Path) -> None:
    model, images = planted.model, planted.data.test.subset(range(60))
    found = ablate_channels(model.network, images, model.preprocess, "2")
    ranked = found.ranked()
    assert len(ranked) == 16
    assert [each.loss_change for each in ranked] == sorted(
        (e.loss_change for e in found.effects), reverse=True
    )
    assert found.save(tmp_path / "ablation.svg").read_text().startswith("<svg")
    assert json.loads(json.dumps(found.to_dict()))["effects"][0]["parts"][0]["layer"] == "2"
    assert str(found).splitlines()[1].startswith(ranked[0].name)


class Two(nn.Module):
    """Random in training, with batch norm and a module that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.drop, self.head = nn.Dropout(), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.conv(x)))
        return self.head(self.drop(self.relu(x).mean((2, 3))))


def images_of_two(count: int = 6) -> ImageSet:
    pixels = torch.randint(256, (count, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return ImageSet(pixels, torch.arange(count) % 2, ("a", "b"))


def test_the_network_is_as_found_after_success_error_and_interrupt() -> None:
    network = Two().train()
    network.conv.weight.grad = torch.ones_like(network.conv.weight)
    network.norm.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    state = torch.get_rng_state()

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    run = [network, images_of_two(), Preprocess.plain(1, 8)]
    ablate(*run, [Part("norm", (1,)), Part("relu (2)", (0,))], how="resample")  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        ablate(*run, [Part("norm", (1,))], progress=interrupt)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="relu is called 2 times"):
        ablate(*run, [Part("relu", (1,))])  # type: ignore[arg-type]
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(network.conv.weight.grad, torch.ones_like(network.conv.weight))
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_not_there_is_refused() -> None:
    network, images, preprocess = Two(), images_of_two(), Preprocess.plain(1, 8)
    with pytest.raises(InputError, match="channel 4 of norm; it has channels 0 to 3"):
        ablate(network, images, preprocess, [Part("norm", (4,))])
    with pytest.raises(UnknownNameError, match="unknown replacement 'noise'"):
        ablate(network, images, preprocess, [Part("norm")], how="noise")
    with pytest.raises(UnknownNameError, match="unknown layer 'nrm'"):
        ablate(network, images, preprocess, [Part("nrm")])
    with pytest.raises(InputError, match="no parts"):
        ablate(network, images, preprocess, [])
    with pytest.raises(InputError, match="there is one image"):
        ablate(network, images.subset([0]), preprocess, [Part("norm")], how="mean")
    assert ablate(network, images.subset([0]), preprocess, [Part("norm")]).images == 1


@pytest.mark.parametrize(
    ("name", "image", "first", "count"),
    [
        ("resnet18_small", (1, 28, 28), "stage1.0.bn2", 8),
        ("googlenet", (1, 96, 96), "inception.3a.path1.1", 36),
        ("resnet20", (3, 32, 32), "stage1.0.bn2", 9),
    ],
)
def test_branches_of_the_catalogue(name: str, image: tuple[int, int, int], first: str, count: int) -> None:
    network = create_model(name, in_channels=image[0], num_classes=2, seed=0)
    parts = branches_of(network, image)
    assert (parts[0].layer, len(parts)) == (first, count)
    pixels = torch.randint(256, (2, *image), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images = ImageSet(pixels, [0, 1], ("a", "b"))
    found = ablate(network, images, Preprocess.plain(image[0], image[1]), parts[:2])
    assert len(found.effects) == 2


def test_a_chain_has_no_branches() -> None:
    with pytest.raises(InputError, match="no branches"):
        branches_of(create_model("lenet", in_channels=1, num_classes=2, seed=0), (1, 28, 28))
