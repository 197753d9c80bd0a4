"""Lenses, matrices, maps, filters and films, against plain code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from convnets.data.sources import load_data
from convnets.errors import InputError, RunError, UnknownNameError
from convnets.explanation.inside.concat_lens import concat_lens
from convnets.explanation.inside.epoch_film import film_filters, film_maps
from convnets.explanation.inside.feature_maps import feature_maps
from convnets.explanation.inside.filters import first_filters
from convnets.explanation.inside.mixing import mixing_matrices
from convnets.explanation.inside.norm_channels import norm_channels
from convnets.explanation.inside.residual_lens import residual_lens
from convnets.models.catalogue import create_model
from convnets.training.config import TrainConfig
from convnets.training.runs.run import Run
from convnets.training.train import train


class Block(nn.Module):
    """A residual block whose skip comes first in the sum, and an in-place ReLU after it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.head = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x + self.second(F.relu(self.first(x))), inplace=True)
        return self.head(x.mean((2, 3)))


def test_branch_and_skip_by_hand(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, images = Block().double(), torch.randn(3, 3, 6, 6, dtype=torch.float64)
    (found,) = residual_lens(network, images).additions
    with torch.no_grad():
        branch = network.second(F.relu(network.first(images))).flatten(1)
    skip = images.flatten(1)
    assert found.branch_norm == pytest.approx(float(branch.norm(dim=1).mean()), abs=1e-12)
    assert found.skip_norm == pytest.approx(float(skip.norm(dim=1).mean()), abs=1e-12)
    assert found.cosine == pytest.approx(float(F.cosine_similarity(branch, skip).mean()), abs=1e-12)
    assert (found.branch, found.skip) == ("second", "input")
    residual_lens(network, images).save(tmp_path / "lens.png")


@pytest.mark.parametrize(("name", "blocks"), [("resnet18_small", 8), ("resnet50", 16)])
def test_every_block_of_a_residual_network_has_its_row(name: str, blocks: int) -> None:
    side = 28 if name.endswith("small") else 64
    network = create_model(name, in_channels=1, num_classes=2, seed=0)
    found = residual_lens(network, torch.rand(1, 1, side, side))
    assert len(found.additions) == blocks
    assert all(0 < each.share < 1 for each in found.additions)
    json.dumps(found.to_dict())


def test_inception_and_dense_blocks(tmp_path: Path) -> None:
    network = create_model("googlenet", in_channels=1, num_classes=2, seed=0).eval()
    images = torch.rand(2, 1, 96, 96)
    found = concat_lens(network, images).concatenations
    assert [[part.channels for part in each.parts] for each in found[:2]] == [
        [64, 128, 32, 32],
        [128, 192, 96, 64],
    ]
    kept: list[Tensor] = []
    block = network.get_submodule("inception.3a")
    with torch.no_grad():
        hook = block.register_forward_hook(lambda _, __, output: kept.append(output))
        network(images)
        hook.remove()
    part = found[0].parts[1]
    assert part.mean == pytest.approx(float(kept[0][:, part.first : part.last + 1].abs().mean()), rel=1e-5)
    assert found[0].branch_of(64).startswith("inception.3a.path2")
    with pytest.raises(InputError, match="channels 0 to 255"):
        found[0].branch_of(256)
    dense = create_model("densenet_d2l", in_channels=1, num_classes=2, seed=0)
    rows = concat_lens(dense, torch.rand(1, 1, 96, 96))
    last = rows.concatenations[3]  # the fourth layer of the first block: the stem, and what four layers made
    assert [part.channels for part in last.parts] == [64, 32, 32, 32, 32]
    assert [part.first for part in last.parts] == [0, 64, 96, 128, 160]
    rows.save(tmp_path / "concat.svg")
    json.dumps(rows.to_dict())


def test_networks_without_shortcuts_or_concatenations_say_so() -> None:
    network = create_model("lenet", in_channels=1, num_classes=2, seed=0)
    with pytest.raises(InputError, match="adds no two maps"):
        residual_lens(network, torch.rand(1, 1, 28, 28))
    with pytest.raises(InputError, match="concatenates no maps"):
        concat_lens(network, torch.rand(1, 1, 28, 28))
    with pytest.raises(InputError, match="N of 1 or more"):
        concat_lens(network, torch.rand(0, 1, 28, 28))
    with pytest.raises(InputError, match="no 1×1 convolution"):
        mixing_matrices(network)
    with pytest.raises(InputError, match="no batch norm"):
        norm_channels(network)


@pytest.mark.parametrize("groups", [1, 3])
def test_a_mixing_matrix_mixes(groups: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 9, 1, groups=groups, bias=False).double()
    (found,) = mixing_matrices(nn.Sequential(layer))
    pixel = torch.randn(6, dtype=torch.float64)
    assert np.allclose(
        found.weights @ pixel.numpy(), layer(pixel[None, :, None, None])[0, :, 0, 0].detach().numpy()
    )
    assert 1 < found.effective_rank <= 6
    found.save(tmp_path / "mix.png")
    with pytest.raises(UnknownNameError, match="1×1 convolution 'x'"):
        mixing_matrices(nn.Sequential(layer), "x")


def test_the_rank_of_a_matrix_of_equal_rows_is_one() -> None:
    layer = nn.Conv2d(4, 5, 1, bias=False)
    nn.init.ones_(layer.weight)
    assert mixing_matrices(nn.Sequential(layer))[0].effective_rank == pytest.approx(1.0, abs=1e-6)


def test_maps_are_what_the_layers_give(tmp_path: Path) -> None:
    network = create_model("lenet_bn", in_channels=1, num_classes=10, seed=0).eval()
    x = torch.rand(1, 28, 28)
    found = feature_maps(network, x, ["convolutions.1", "hidden.6"], pixels=(x * 255).to(torch.uint8))
    with torch.no_grad():
        maps = network.convolutions[:2](x[None])[0].double().numpy()
    assert np.array_equal(found.layers["convolutions.1"], maps)
    assert found.layers["hidden.6"].shape == (84, 1, 1)
    assert found.strongest("convolutions.1", 2) == sorted(np.argsort(-np.abs(maps).mean((1, 2)))[:2].tolist())
    for scale in ("unit", "layer", "global"):
        grid = found.grid(scale)
        assert (grid.scale is None) == (scale != "global")  # one bar would not be true of several scales
        assert len(grid.rows) == 3
    one = feature_maps(network, x, "convolutions.1").grid()
    assert one.scale is not None
    assert one.scale.signed
    assert one.scale.high == np.abs(maps).max() == -one.scale.low
    assert one.save(tmp_path / "maps.svg").read_text().startswith("<svg")
    with pytest.raises(UnknownNameError, match="scale 'row'"):
        found.grid("row")
    with pytest.raises(InputError, match=r"unit 6 of convolutions\.1"):
        feature_maps(network, x, "convolutions.1").grid(units=[6])
    with pytest.raises(InputError, match="one image"):
        feature_maps(network, torch.rand(2, 1, 28, 28))


@pytest.mark.parametrize("channels", [1, 3])
def test_filters_are_the_weights(channels: int, tmp_path: Path) -> None:
    network = create_model("lenet", in_channels=channels, num_classes=2, seed=0)
    found = first_filters(network)
    assert found.layer == "convolutions.0"
    assert np.array_equal(found.weights, network.convolutions[0].weight.detach().double().numpy())
    colors = found.grid().rows[0].tiles[0]
    assert colors is not None
    assert colors.pixels.shape == (5, 5, 3)
    if channels == 3:  # from none of a channel to all of it, gray for zero
        middle = (127.5 + 127.5 * found.weights / np.abs(found.weights).max()).round()
        assert np.array_equal(colors.pixels, middle[0].transpose(1, 2, 0))
    found.save(tmp_path / "filters.png")
    with pytest.raises(InputError, match="look at 6 channels"):
        first_filters(network, "convolutions.3")
    with pytest.raises(UnknownNameError, match="convolution 'stem'"):
        first_filters(network, "stem")


@pytest.fixture(scope="module")
def kept_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = TrainConfig(epochs=3, save_epochs=2, precision="fp32", fast=False)
    return train("lenet_bn", "digits", config, output=tmp_path_factory.mktemp("kept"), listeners=())


def test_a_film_shows_the_weights_of_each_epoch(kept_run: Run, tmp_path: Path) -> None:
    assert kept_run.epochs_kept == [0, 2]
    found = film_filters(kept_run)
    assert found.epochs == (0, 2)
    start = create_model("lenet_bn", in_channels=1, num_classes=10, seed=0)
    assert found.values.shape == (2, 6, 5, 5)
    assert not np.array_equal(found.values[0], found.values[1])
    assert found.values[0].std() == pytest.approx(start.convolutions[0].weight.double().std().item(), rel=0.3)
    picture = load_data("digits").test
    assert picture is not None
    maps = film_maps(kept_run, picture.pixels[0], "convolutions.2", units=[4, 1])
    assert maps.units == (4, 1)
    assert len(maps.strip().rows) == 2
    for ending in ("gif", "apng"):
        with Image.open(maps.save(tmp_path / f"film.{ending}")) as film:
            assert film.n_frames == 2
    assert maps.save(tmp_path / "film.svg").read_text().startswith("<svg")


def test_the_kept_best_epoch_is_the_model(kept_run: Run) -> None:
    best = max(kept_run.metrics, key=lambda row: row["validation_accuracy"] or 0.0)["epoch"]
    if best == 2:
        last = kept_run.load().network.state_dict()
        assert all(torch.equal(value, last[name]) for name, value in film_state(kept_run, 2).items())


def film_state(run: Run, epoch: int) -> dict[str, Tensor]:
    from convnets.checkpoints.model_folder import load_model

    return load_model(run.epoch_folder(epoch)).network.state_dict()


def test_a_run_that_kept_nothing_says_how_to(tmp_path: Path) -> None:
    run = train("mlp", "digits", TrainConfig(epochs=1), output=tmp_path, listeners=())
    assert run.epochs_kept == []
    with pytest.raises(RunError, match="--save-epochs 1"):
        film_filters(run)
