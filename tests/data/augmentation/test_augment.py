"""What every augmentation promises, and the words that options ask for them by."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convnets.data.augmentation.augment import (
    AUGMENTATIONS,
    Augmentation,
    Brightness,
    ColorJitter,
    HorizontalFlip,
    Hue,
    PerBatch,
    RandomCrop,
    RandomErasing,
    RandomResizedCrop,
    RandomRotation,
    augment_images,
    parse_augmentations,
)
from convnets.errors import ConfigError, InputError, UnknownNameError

EVERY: list[Augmentation] = [
    *parse_augmentations(list(AUGMENTATIONS)),
    RandomCrop(mode="zeros"),
    RandomRotation(180, mode="zeros"),
    RandomErasing(p=1.0, value="mean"),
    RandomErasing(p=1.0, value=0.0),
    PerBatch(lambda images: (images + 0.1 * torch.rand(images.shape).to(images)).clamp_(0, 1)),
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def name(augmentation: Augmentation) -> str:
    return repr(augmentation)[:40]


@pytest.mark.parametrize("augmentation", EVERY, ids=name)
@given(
    count=st.integers(1, 4),
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=20, deadline=None)
def test_any_batch_keeps_shape_type_and_range(
    augmentation: Augmentation,
    count: int,
    channels: int,
    height: int,
    width: int,
    dtype: torch.dtype,
    seed: int,
) -> None:
    images = torch.rand(count, channels, height, width, generator=seeded(seed)).to(dtype)
    before = images.clone()
    changed = augmentation(images, seeded(seed))
    assert changed.shape == images.shape
    assert changed.dtype == dtype
    assert bool(((changed >= 0) & (changed <= 1)).all())
    assert torch.equal(images, before)
    assert torch.equal(changed, augmentation(images, seeded(seed)))


@pytest.mark.parametrize("augmentation", EVERY, ids=name)
def test_layout_in_memory_does_not_matter_and_the_input_stays(augmentation: Augmentation) -> None:
    gray = torch.rand(6, 1, 16, 12, generator=seeded(1))
    for images in (
        gray.expand(-1, 3, -1, -1),
        torch.rand(6, 3, 16, 12).contiguous(memory_format=torch.channels_last),
    ):
        plain = images.clone(memory_format=torch.contiguous_format)
        kept = plain.clone()
        torch.testing.assert_close(
            augmentation(images, seeded()), augmentation(plain, seeded()), atol=1e-6, rtol=0
        )
        assert torch.equal(images, kept)


@pytest.mark.parametrize("augmentation", EVERY, ids=name)
def test_each_image_has_its_own_draw(augmentation: Augmentation) -> None:
    images = torch.rand(1, 3, 16, 16, generator=seeded(2)).expand(64, -1, -1, -1)
    changed = augmentation(images, seeded())
    assert len(torch.unique(changed.flatten(1), dim=0)) >= 2
    assert not torch.equal(changed, augmentation(images, seeded(1)))


@pytest.mark.parametrize("augmentation", EVERY, ids=name)
def test_global_random_numbers_are_neither_used_nor_moved(augmentation: Augmentation) -> None:
    images = torch.rand(4, 3, 16, 16, generator=seeded(3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        state = torch.get_rng_state()
        first = augmentation(images, seeded())
        assert torch.equal(torch.get_rng_state(), state)
        torch.manual_seed(2)
        assert torch.equal(augmentation(images, seeded()), first)


@pytest.mark.parametrize("augmentation", EVERY, ids=name)
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(16, 16), r"got images of shape \(16, 16\); allowed: N×C×H×W with C = 1 or 3"),
        (torch.rand(2, 16, 16, 3), r"\(2, 16, 16, 3\)"),
        (torch.rand(0, 3, 16, 16), r"\(0, 3, 16, 16\)"),
        (
            torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
            "got torch.uint8 images; allowed: floats in .*images.float",
        ),
    ],
)
def test_images_that_do_not_fit(augmentation: Augmentation, images: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        augmentation(images, seeded())


def test_no_augmentation_loops_over_images() -> None:
    """The same number of tensor operations for 2 images as for 32: time is spent in a few large calls."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):
        calls = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            self.calls += 1
            return func(*args, **(kwargs or {}))

    for augmentation in EVERY:
        counts = []
        for size in (2, 32):
            with Count() as counter:
                augmentation(torch.rand(size, 3, 8, 8), seeded())
            counts.append(counter.calls)
        assert counts[0] == counts[1] < 130, augmentation


def test_words_become_augmentations() -> None:
    assert parse_augmentations(["flip", "crop"]) == (HorizontalFlip(0.5), RandomCrop(None))
    assert parse_augmentations(["crop:4", "resized-crop:0.25"]) == (
        RandomCrop(4),
        RandomResizedCrop((0.25, 1.0)),
    )
    assert parse_augmentations("brightness:0.2, hue:0.05,erasing:1") == (
        Brightness(0.2),
        Hue(0.05),
        RandomErasing(1),
    )
    assert parse_augmentations(["jitter:0.8"]) == (ColorJitter(0.8, 0.8, 0.8, 0.2),)
    assert parse_augmentations(["jitter:4"]) == (ColorJitter(4, 4, 4, 0.5),)
    assert parse_augmentations([]) == parse_augmentations("") == ()


@pytest.mark.parametrize("word", AUGMENTATIONS)
def test_every_word_has_a_line_of_help_and_the_default_it_says(word: str) -> None:
    named = AUGMENTATIONS[word]
    assert 10 < len(named.description) < 80
    (plain,) = parse_augmentations([word])
    if named.default is None:
        assert plain == RandomCrop()
    else:
        assert (plain,) == parse_augmentations([f"{word}:{named.default}"])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("flop", "unknown augmentation 'flop'; nearest: .*flip.*; numbers follow a colon, as in crop:4"),
        ("crop4", "unknown augmentation 'crop4'; nearest: crop"),
        ("mixup", "unknown augmentation 'mixup'; allowed: flip, vflip, crop"),
        ("flip,,crop", "unknown augmentation ''"),
    ],
)
def test_words_that_are_not_known(word: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        parse_augmentations([word])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("crop:", "augmentation 'crop:' has no number after the colon; allowed: such as crop:4"),
        ("crop:four", "augmentation 'crop:four' has no number"),
        ("hue:nan", "augmentation 'hue:nan' has no number"),
        ("flip:inf", "augmentation 'flip:inf' has no number"),
        ("crop:4:5", "augmentation 'crop:4:5' has no number"),
        ("crop:1.5", "padding is 1.5; allowed: whole pixels from 0"),
        ("crop:-1", "padding is -1"),
        ("hue:0.7", "Hue strength is 0.7; allowed: a number from 0 to 0.5"),
        ("resized-crop:0", "RandomResizedCrop scale"),
        ("erasing:2", "RandomErasing p is 2.0; allowed: a number from 0 to 1"),
    ],
)
def test_numbers_that_are_not_allowed(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_augmentations([word])
    assert "\n" not in str(caught.value)


def test_augmentations_run_one_after_the_other() -> None:
    images = torch.rand(4, 3, 16, 16, generator=seeded(1))
    augment = parse_augmentations("flip,crop")
    generator = seeded()
    expected = augment[1](augment[0](images, generator), generator)
    assert torch.equal(augment_images(images, augment, seeded()), expected)
    assert augment_images(images, (), seeded()) is images


def test_per_batch_takes_callables_that_work_in_place() -> None:
    images = torch.rand(2, 1, 4, 4)
    before = images.clone()
    assert torch.equal(PerBatch(lambda batch: batch.zero_())(images, seeded()), torch.zeros(2, 1, 4, 4))
    assert torch.equal(images, before)
    assert PerBatch(lambda batch: batch[..., :2, :2])(images, seeded()).shape == (2, 1, 2, 2)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda batch: None, "returned NoneType; allowed: a float tensor N×C×H×W"),
        (lambda batch: (batch * 255).to(torch.uint8), "returned torch.uint8"),
        (lambda batch: batch[0], r"changed the shape from \(2, 3, 4, 4\) to \(3, 4, 4\)"),
        (lambda batch: batch[:1], "the number of images and channels must stay"),
        (lambda batch: batch[:, :1], "the number of images and channels must stay"),
    ],
)
def test_per_batch_checks_what_comes_back(function: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PerBatch(function)(torch.rand(2, 3, 4, 4), seeded())


def test_per_batch_shows_what_it_runs() -> None:
    assert repr(PerBatch(torch.fliplr)) == "PerBatch(fliplr)"
    assert repr(PerBatch(torch.nn.Identity())) == "PerBatch(Identity())"


def test_settings_show_in_every_repr() -> None:
    for augmentation in EVERY[:-1]:
        parameters = inspect.signature(type(augmentation)).parameters
        assert all(f"{parameter}=" in repr(augmentation) for parameter in parameters)
        assert repr(augmentation).startswith(type(augmentation).__name__)
