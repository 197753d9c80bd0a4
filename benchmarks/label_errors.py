"""Flip a share of Fashion-MNIST's labels at random, and see how many of them are found again.

    python benchmarks/label_errors.py --flipped 0.02 --epochs 10

Needs cleanlab, whose ranking is computed on the same probabilities.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from convnets import TrainConfig, load_data
from convnets.data.image_set import Splits
from convnets.selection.folds.cross_validate import cross_validate
from convnets.selection.labels.flipping import flip_labels
from convnets.selection.labels.label_errors import find_label_errors, rank_images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--flipped", type=float, default=0.02, help="share of labels")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    clean = load_data("fashion-mnist")
    labels, places = flip_labels(clean.train.labels, len(clean.classes), asked.flipped, seed=asked.seed)
    config = TrainConfig(
        epochs=asked.epochs, learning_rate=0.03, initializer="xavier-uniform", threads=asked.threads
    )
    data = Splits(replace(clean.train, labels=labels))
    name = f"flipped-{asked.flipped}-{asked.epochs}"
    made = cross_validate("lenet_bn", data, config, name=name, go_on=True, listeners=())
    print(made)
    found = made.out_of_fold()
    flipped, top = set(places.tolist()), round(0.03 * len(labels))
    p, given = found.probabilities.double().numpy(), found.labels.numpy()
    p = p / p.sum(1, keepdims=True)
    quality = get_label_quality_scores(given, p, method="normalized_margin")
    theirs = find_label_issues(given, p, return_indices_ranked_by="normalized_margin", n_jobs=1).tolist()
    rest = [index for index in np.argsort(quality, kind="stable").tolist() if index not in set(theirs)]
    for who, order in (
        ("ours", rank_images(found)),
        ("cleanlab", [*theirs, *rest]),
        ("cleanlab, by margin alone", np.argsort(quality, kind="stable").tolist()),
    ):
        hit = len(flipped & set(order[:top]))
        print(f"{who}: {hit} of {len(flipped)} flipped labels in the first {top} ({hit / len(flipped):.1%})")
    errors = find_label_errors(found)
    listed = {each.index for each in errors.errors}
    print(errors.headline())
    print(f"of the list {len(listed & flipped) / len(listed):.1%} are flipped; cleanlab lists {len(theirs)}")


if __name__ == "__main__":
    main()
