"""Pictures side by side: their colors and titles."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
import torch
from matplotlib import rcParams

from convnets import d2l

GRAY = torch.arange(20.0).reshape(4, 5)


@pytest.mark.parametrize("picture", [GRAY, GRAY.numpy(), GRAY.tolist()])
def test_two_axes_of_numbers_have_matplotlibs_colors(picture: Any) -> None:
    shown = d2l.show_images([picture], 1, 1)[0].get_images()[0]
    assert shown.get_cmap().name == rcParams["image.cmap"] != "gray"
    assert numpy.array_equal(shown.get_array(), GRAY)
    assert d2l.show_images([picture], 1, 1, cmap="gray")[0].get_images()[0].get_cmap().name == "gray"


@pytest.mark.parametrize("picture", [GRAY[None], GRAY[:, :, None].numpy()])
def test_a_picture_with_an_axis_for_its_one_channel_is_gray(picture: Any) -> None:
    shown = d2l.show_images([picture], 1, 1)[0].get_images()[0]
    assert shown.get_cmap().name == "gray"
    assert numpy.array_equal(shown.get_array(), GRAY)


@pytest.mark.parametrize("picture", [torch.rand(3, 4, 5), numpy.random.default_rng(0).random((3, 4, 5))])
def test_pictures_with_their_channels_first_are_turned(picture: Any) -> None:
    shown = d2l.show_images([picture], 1, 1)[0].get_images()[0]
    assert numpy.allclose(shown.get_array(), numpy.moveaxis(numpy.asarray(picture), 0, 2))


@pytest.mark.parametrize("titles", [["a", "b"], numpy.array(["a", "b"]), iter("ab")])
def test_fewer_titles_than_pictures(titles: Any) -> None:
    shown = d2l.show_images(torch.rand(4, 2, 2), 2, 2, titles=titles)
    assert [axes.get_title() for axes in shown] == ["a", "b", "", ""]


def test_labels_of_a_few_pictures_of_a_batch() -> None:
    data = d2l.FashionMNIST(batch_size=16)
    data.visualize(next(iter(data.val_dataloader())), labels=["a", "b"])
    assert [axes.get_title() for axes in d2l.plt.gcf().axes] == ["a", "b", *[""] * 6]
