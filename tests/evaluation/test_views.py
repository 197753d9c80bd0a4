"""Views against crops written out by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, InputError
from convnets.evaluation.views import VIEWS, crop_views, preprocess_for_views, view_weights


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 9), st.integers(0, 5), st.integers(0, 5), st.sampled_from([1, 3]))
def test_ten_views_equal_a_plain_loop(size: int, more_rows: int, more_columns: int, channels: int) -> None:
    height, width = size + more_rows, size + more_columns
    images = torch.arange(2 * channels * height * width).view(2, channels, height, width)
    views = crop_views(images, size, 10)
    places = [
        (more_rows // 2, more_columns // 2),
        (0, 0),
        (0, more_columns),
        (more_rows, 0),
        (more_rows, more_columns),
    ]
    assert views.shape == (2, 10, channels, size, size)
    for n in range(2):
        for v, (top, left) in enumerate(places):
            rows = [images[n, :, top + y, left : left + size] for y in range(size)]
            mirrored = [row.flip(-1) for row in rows]
            assert torch.equal(views[n, v], torch.stack(rows, dim=1))
            assert torch.equal(views[n, v + 5], torch.stack(mirrored, dim=1))
    assert torch.equal(crop_views(images, size, 5), views[:, :5])
    assert torch.equal(crop_views(images, size, 1), views[:, :1])
    assert torch.equal(crop_views(images, size, 2), views[:, [0, 5]])


def test_six_views_are_moved_by_a_pixel_with_repeated_edges() -> None:
    image = torch.arange(20.0).view(1, 1, 4, 5)
    views = crop_views(image, 4, 6)[0, :, 0]
    assert torch.equal(views[0], image[0, 0, :, :4])
    assert views[1].tolist() == [[0, 0, 1, 2], [0, 0, 1, 2], [5, 5, 6, 7], [10, 10, 11, 12]]
    assert views[2].tolist() == [[6, 7, 8, 9], [11, 12, 13, 14], [16, 17, 18, 19], [16, 17, 18, 19]]
    assert torch.equal(views[3:], views[:3].flip(-1))


def test_weights_of_views_add_up_to_one() -> None:
    for views in VIEWS:
        assert view_weights(views).shape == (views,)
        assert float(view_weights(views).sum()) == pytest.approx(1)


@pytest.mark.parametrize("views", [0, 3, 11, -1])
def test_other_numbers_of_views_are_refused(views: int) -> None:
    for call in (
        lambda: crop_views(torch.zeros(1, 1, 8, 8), 8, views),
        lambda: preprocess_for_views(Preprocess.plain(1, 8), views),
    ):
        with pytest.raises(ConfigError, match=f"views is {views}; allowed: 1 .*2 .*5 .*10"):
            call()


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 1, 7, 9), (1, 1, 9, 7)])
def test_images_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="at least 8×8"):
        crop_views(torch.zeros(shape), 8, 5)


@pytest.mark.parametrize(
    ("size", "resize", "side"), [(28, 28, 32), (224, 224, 256), (224, 256, 256), (224, 300, 300)]
)
def test_several_views_start_from_eight_sevenths(size: int, resize: int, side: int) -> None:
    preprocess = Preprocess.plain(3, size, resize)
    assert preprocess_for_views(preprocess, 1) is preprocess_for_views(preprocess, 2) is preprocess
    assert preprocess_for_views(preprocess, 6) is preprocess
    for views in (5, 10):
        wide = preprocess_for_views(preprocess, views)
        assert (wide.size, wide.resize) == (side, side)
        assert (wide.mean, wide.std, wide.channels) == (preprocess.mean, preprocess.std, 3)
