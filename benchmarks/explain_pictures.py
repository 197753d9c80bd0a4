"""The pictures of docs/background/explain.md.

Usage: python benchmarks/explain_pictures.py runs/lenet_bn runs/resnet18_small docs/images --data fashion-mnist
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from convnets import explain, load_data
from convnets.checkpoints.model_folder import TrainedModel
from convnets.checkpoints.model_source import open_model
from convnets.data.image_set import ImageSet
from convnets.explanation.attribution.attributions import Attributions
from convnets.explanation.attribution.drawing import attribution_grid, overlay, strength
from convnets.explanation.attribution.methods import METHODS
from convnets.explanation.belief.controls import edge_maps, random_maps
from convnets.explanation.belief.curve_picture import curve_figure
from convnets.explanation.belief.curves import deletion_and_insertion
from convnets.explanation.belief.importance import pixel_maps
from convnets.explanation.belief.shuffling import layers_with_weights, shuffled_networks
from convnets.explanation.explain import ask
from convnets.explanation.explained import open_explained
from convnets.explanation.pictures.colors import ColorScale, as_picture
from convnets.explanation.pictures.figure_file import write_figure
from convnets.explanation.pictures.tile_grid import Tile, TileGrid, TileRow

FAST = ("gradient", "gradient-x-input", "integrated-gradients", "guided-backpropagation", "occlusion")
OF_MAPS = ("grad-cam", "grad-cam++", "hires-cam", "layer-cam")


def main() -> None:
    """Draw them all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs=2, type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    test = load_data(arguments.data).test
    small, large = (open_model(run) for run in arguments.runs)
    folder = arguments.folder
    _methods(large, test, folder / "explain_methods.png")
    explain(large, test.pixels[:3], layer="stages").save(folder / "explain_stages.png")
    _contrast(large, test, folder / "explain_contrast.png")
    explain(small, test.pixels[0], method="integrated-gradients", check=True).save(
        folder / "explain_check.png"
    )
    explain(small, test.pixels[1], method="rise", check=True).save(folder / "explain_check_rise.png")
    _curves(small, test, folder / "explain_curves.svg")
    _randomized(large, test, folder / "explain_randomized.png")
    _signs(small, test, folder / "explain_signs.png")


def _methods(model: TrainedModel, test: ImageSet, path: Path) -> None:
    found = Attributions()
    for name in (*FAST, *OF_MAPS):
        found += explain(model, test.pixels[[0, 2, 8]], method=name)
    attribution_grid(found).save(path)


def _contrast(model: TrainedModel, test: ImageSet, path: Path) -> None:
    """The same picture, asked three times."""
    shirt = int((test.labels == model.classes.index("Shirt")).nonzero()[1])
    asked = [explain(model, test.pixels[shirt], "Shirt", method="grad-cam", contrast=each)[0] for each in
             (None, "T-shirt/top", "Coat")]  # fmt: skip
    tiles = [Tile(as_picture(asked[0].picture), [f"taken for {asked[0].predicted_name}"])]
    tiles += [Tile(each.overlay(), ["why Shirt?" if not each.contrast_name else f"and not {each.contrast_name}?"])
              for each in asked]  # fmt: skip
    grid = TileGrid(
        "Why Shirt, and why not another class?",
        ["Grad-CAM at the last maps."],
        [TileRow("", tiles)],
        side=140,
    )
    grid.save(path)


def _curves(model: TrainedModel, test: ImageSet, path: Path) -> None:
    given = open_explained(model, test.pixels[:200])
    names = ("integrated-gradients", "gradient", "occlusion", "grad-cam")
    curves = {}
    for name in names:
        question, _ = ask(given, METHODS[name])
        curves[name] = deletion_and_insertion(question, pixel_maps(question, METHODS[name]).importance)
    curves["edge detector"] = deletion_and_insertion(question, edge_maps(question.images))
    curves["random map"] = deletion_and_insertion(question, random_maps(question.images, 0))
    write_figure(path, curve_figure(curves), "Deletion and insertion curves of four methods and two controls")


def _randomized(model: TrainedModel, test: ImageSet, path: Path) -> None:
    """What is left of maps while layers are shuffled from the logits on."""
    rows = []
    for name in ("gradient", "guided-backpropagation", "integrated-gradients", "grad-cam"):
        given = open_explained(model, test.pixels[:1])
        question, _ = ask(given, METHODS[name])
        target = int(question.targets[0])
        first = explain(model.network, given.images, target, method=name)[0]
        tiles = [
            Tile(as_picture(given.pictures[0].numpy()), ["the picture"]),
            _map(first.evidence, "trained"),
        ]
        layers = layers_with_weights(model.network, question.calls)
        for place, (layer, network) in enumerate(
            shuffled_networks(model.network, layers, "top-down", steps=5, seed=0)
        ):
            each = explain(network, given.images, target, method=name)[0]
            tiles.append(_map(each.evidence, f"down to {layer}" if place < 4 else "all layers"))
        rows.append(TileRow(name, tiles))
    notes = ["Weights are shuffled layer by layer, from the logits down. A map that stays shows the picture."]
    TileGrid("Maps of a network that forgets", notes, rows, side=112).save(path)


def _map(values: object, caption: str) -> Tile:
    high = strength(values)  # type: ignore[arg-type]
    signed = bool((values < 0).any())  # type: ignore[operator]
    return Tile(ColorScale(-high if signed else 0.0, high).color(values), [caption])  # type: ignore[arg-type]


def _signs(model: TrainedModel, test: ImageSet, path: Path) -> None:
    """What speaks for the class, and what against the one that it is taken for most often instead."""
    found = explain(model, test.pixels[[0, 1, 4, 7]], method="integrated-gradients")
    tiles = [Tile(overlay(each.picture, each.map), [f"why {each.target_name}?"]) for each in found]
    notes = [
        "Integrated gradients: red speaks for the class, blue against it; the sum is the score to be explained."
    ]
    TileGrid("For and against", notes, [TileRow("", tiles)], side=140).save(path)


if __name__ == "__main__":
    main()
