"""Every class comes equally often, and every image of a class too, to within one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from convnets.data.balanced_batches import BalancedBatches, balanced_order
from convnets.data.image_set import ImageSet, Splits
from convnets.data.long_tail import long_tailed
from convnets.data.preprocess import Preprocess
from convnets.data.sources import load_data
from convnets.errors import ConfigError
from convnets.training.config import TrainConfig
from convnets.training.train import train

LABELS = torch.tensor([0] * 70 + [2] * 25 + [3] * 7)  # and none of class 1


@pytest.mark.parametrize("epoch", [0, 1])
def test_classes_and_images_come_equally_often(epoch: int) -> None:
    order = balanced_order(LABELS, seed=3, epoch=epoch)
    assert len(order) == len(LABELS)
    of_classes = Counter(LABELS[order].tolist())
    assert of_classes.keys() == {0, 2, 3}
    assert max(of_classes.values()) - min(of_classes.values()) <= 1
    for label in of_classes:
        times = torch.bincount(order, minlength=len(LABELS))[label == LABELS]
        assert int(times.max() - times.min()) <= 1
    assert torch.equal(order, balanced_order(LABELS, seed=3, epoch=epoch))
    assert not torch.equal(order, balanced_order(LABELS, seed=3, epoch=epoch + 1))
    firsts = LABELS[order[: len(order) // 2]]  # and not class after class
    assert len(firsts.unique()) == 3  # type: ignore[no-untyped-call]


def test_batches_are_of_that_order_and_shares_add_up() -> None:
    images = ImageSet(torch.zeros(102, 1, 4, 4, dtype=torch.uint8), LABELS, ("a", "b", "c", "d"), "made")
    whole = BalancedBatches(images, Preprocess.plain(1, 4), 10, seed=1)
    seen = torch.cat([batch.indices for batch in whole.epoch(2)])
    assert torch.equal(seen, balanced_order(LABELS, 1, 2))
    halves = [
        BalancedBatches(images, Preprocess.plain(1, 4), 10, seed=1, share=(rank, 2)).steps(2)
        for rank in (0, 1)
    ]
    assert sorted(torch.cat([*halves[0], *halves[1]]).tolist()) == sorted(seen.tolist())


def test_a_long_tail_falls_geometrically() -> None:
    whole = load_data("digits").train
    tail = long_tailed(whole, 50, seed=2)
    sizes = sorted(tail.class_counts().values())
    most = min(whole.class_counts().values())
    assert sizes == sorted(round(most * 50 ** (-rank / 9)) for rank in range(10))
    assert tail.content_hash() == long_tailed(whole, 50, seed=2).content_hash()
    assert tail.class_counts() != long_tailed(whole, 50, seed=3).class_counts()
    with pytest.raises(ConfigError, match=r"ratio is 0\.5"):
        long_tailed(whole, 0.5, seed=0)


def test_a_run_trains_on_equally_many_of_each(tmp_path: Path) -> None:
    """Of 90 and 10 blank images nothing can be learned but how often each class came."""
    blank = torch.zeros(100, 1, 8, 8, dtype=torch.uint8)
    labels = torch.tensor([0] * 90 + [1] * 10)
    images = ImageSet(blank, labels, ("often", "rare"), "made")
    shares = {}
    for name, options in {
        "as they are": {},
        "sampled": {"balanced_sampling": True},
        "weighted": {"class_weights": "balanced"},
        "adjusted": {"logit_adjustment": 1.0},
    }.items():
        config = TrainConfig(
            epochs=30,
            optimizer="sgd",
            learning_rate=0.5,
            momentum=0.0,
            weight_decay=0.0,
            batch_size=100,
            validation=0,
            precision="fp32",
            threads=1,
            normalize=False,
            schedule="constant",
            size=8,
            **options,  # type: ignore[arg-type]
        )
        run = train("softmax", Splits(images), config, output=tmp_path, name=name[:2], listeners=())
        model = run.load()
        logits = model.network(torch.zeros(1, 1, 8, 8))
        shares[name] = logits.softmax(1)[0, 1].item()
    assert shares.pop("as they are") == pytest.approx(0.1, abs=0.02)
    assert list(shares.values()) == pytest.approx([0.5, 0.5, 0.5], abs=0.02)
