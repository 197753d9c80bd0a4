"""Data sets of pictures as torchvision's are, in a DataLoader of the reader's own."""

from __future__ import annotations

import numpy
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset

from convnets import d2l
from convnets.d2l.data.picture_dataset import PictureDataset
from convnets.data.image_set import ImageSet, Splits


def test_a_pair_is_a_float_picture_and_a_number(few_images: Splits) -> None:
    data = d2l.FashionMNIST(resize=(32, 32))
    X, y = data.train[0]
    assert (X.shape, X.dtype, type(y)) == ((1, 32, 32), torch.float32, int)
    assert 0 <= float(X.min()) < float(X.max()) <= 1
    picture = Image.fromarray(few_images.train.pixels[0, 0].numpy()).resize(
        (32, 32), Image.Resampling.BILINEAR
    )
    assert (X[0] - torch.from_numpy(numpy.array(picture)) / 255).abs().max() < 1.5 / 255
    assert y == int(few_images.train.labels[0])


def test_pixels_targets_and_names_are_those_of_torchvision(few_images: Splits) -> None:
    train = d2l.FashionMNIST().train
    assert (len(train), train.data.shape, train.data.dtype) == (1000, (1000, 28, 28), torch.uint8)
    assert torch.equal(train.targets, few_images.train.labels)
    assert torch.equal(train.data, few_images.train.pixels[:, 0])
    assert (train.classes, train.class_to_idx["3"]) == (list("0123456789"), 3)


def test_it_shows_itself_as_its_images_do(few_images: Splits) -> None:
    train = d2l.FashionMNIST(resize=(32, 32)).train
    assert repr(train) == f"PictureDataset({few_images.train!r}, resize=(32, 32))"
    assert train._repr_html_() == few_images.train._repr_html_()


def test_pixels_in_color_have_their_channels_last() -> None:
    images = ImageSet(
        torch.randint(256, (3, 3, 4, 5), dtype=torch.uint8), torch.arange(3), ("a", "b", "c"), ""
    )
    data = PictureDataset(images).data
    assert data.shape == (3, 4, 5, 3)
    assert data[1, 2, 3].tolist() == images.pixels[1, :, 2, 3].tolist()


def test_indices_as_those_of_a_list() -> None:
    data = d2l.FashionMNIST().val
    assert data[-1][1] == data[len(data) - 1][1] == data[torch.tensor(199)][1]
    assert torch.equal(data[-1][0], data[199][0])
    for wrong in (200, -201):
        with pytest.raises(IndexError, match=f"index {wrong} of 200 pictures; allowed: -200 to 199"):
            data[wrong]
    assert sum(1 for _ in data) == 200
    with pytest.raises(TypeError):
        data[0.5]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_dataloader_of_ones_own_gives_the_same_batches(workers: int) -> None:
    data = d2l.FashionMNIST(resize=(32, 32))
    own = DataLoader(data.val, batch_size=150, shuffle=False, num_workers=workers)
    ours = d2l.load_data_fashion_mnist(150, resize=32)[1]
    for (X, y), (other, labels) in zip(own, ours, strict=True):
        assert torch.equal(X, other)
        assert torch.equal(y, labels)


def test_any_data_set_may_be_put_in_the_place_of_ours() -> None:
    data = d2l.FashionMNIST(batch_size=32)
    data.train = Subset(data.train, range(100))
    data.val = data.val.subset([3, 5, 8])
    assert [len(y) for _, y in data.train_dataloader()] == [32, 32, 32, 4]
    assert next(iter(data.val_dataloader()))[1].tolist() == [d2l.FashionMNIST().val[i][1] for i in (3, 5, 8)]
