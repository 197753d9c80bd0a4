"""Warnings: each kind of trouble is named, sound networks are left in peace."""

from __future__ import annotations

from dataclasses import replace

from convnets.inspection.health.record import BatchNormHealth, LayerHealth
from convnets.inspection.health.warnings import warnings_of

SOUND = LayerHealth(
    name="hidden.1",
    kind="Linear",
    number=1,
    has_weights=True,
    output_shape=(8, 5),
    mean=0.0,
    spread=1.0,
    image_spread=0.9,
    output_gradient=0.1,
    gradient=1.0,
    weight=3.0,
    update=1e-3,
)
RELU = replace(
    SOUND, kind="ReLU", has_weights=False, gradient=None, weight=None, update=None, zeros=0.5, dead=0.0
)


def warn(*layers: LayerHealth, norms: tuple[BatchNormHealth, ...] = ()) -> list[str]:
    return list(warnings_of(layers, norms))


def test_a_sound_network_is_left_in_peace() -> None:
    assert warn(SOUND, RELU, replace(SOUND, number=2), RELU) == []


def test_dead_units() -> None:
    third = replace(RELU, number=3, dead=0.971)
    (line,) = warn(SOUND, third)
    assert line.startswith(
        "layer 3 (hidden.1, ReLU): 97 % of units are dead: 0 for every image; lower the learning"
    )
    assert warn(replace(RELU, dead=0.999))[0].startswith("layer 1 (hidden.1, ReLU): 99 % of units are dead")
    assert warn(replace(RELU, dead=0.49)) == []


def test_many_layers_with_one_trouble_make_one_line() -> None:
    layers = [replace(RELU, number=n, name=f"hidden.{n}", dead=0.5 + n / 100) for n in range(1, 10)]
    (line,) = warn(*layers)
    assert line.startswith("9 layers, the worst layer 9 (hidden.9, ReLU): 59 % of units are dead")
    assert len(warn(*layers[:2])) == 2


def test_saturation_and_size() -> None:
    sigmoid = replace(RELU, kind="Sigmoid", zeros=None, dead=None, saturated=0.75)
    assert "75 % of its values lie where the function is flat" in warn(sigmoid)[0]
    assert "its values are spread by 3.0e+05" in warn(replace(SOUND, spread=3e5, image_spread=3e5))[0]


def test_images_that_look_alike() -> None:
    assert (
        "all images look alike to it: they make 1.0e-05 of the spread"
        in warn(replace(SOUND, image_spread=1e-5))[0]
    )


def test_gradients() -> None:
    first, last = replace(SOUND, output_gradient=1e-9), replace(SOUND, number=7, output_gradient=0.5)
    assert warn(first, last)[0].startswith(
        "the gradient vanishes: at layer 1 it is 2.0e-09 times that at layer 7"
    )
    assert warn(replace(first, output_gradient=0.0), last)[0].startswith(
        "the gradient vanishes: at layer 1 it is 0 "
    )
    assert warn(replace(first, output_gradient=1e6), last)[0].startswith(
        "the gradient explodes: at layer 1 it is 2e+06"
    )
    assert "its gradient is NaN" in warn(replace(SOUND, output_gradient=float("nan")))[0]


def test_steps() -> None:
    assert "one step moves the weights by 45% of their size; lower" in warn(replace(SOUND, update=0.45))[0]
    (line,) = warn(replace(SOUND, update=1e-9), replace(SOUND, number=2, name="classifier", update=1e-2))
    assert line.startswith("layer 1 (hidden.1, Linear) stands still: one step moves its weights by 1.0e-09")
    # at the end of a schedule every step is small
    assert warn(replace(SOUND, update=1e-9), replace(SOUND, number=2, update=2e-9)) == []


def test_numbers_that_are_not_finite_stand_alone() -> None:
    nan = float("nan")
    broken = replace(SOUND, number=2, mean=nan, spread=nan)
    (line,) = warn(replace(RELU, dead=0.9), broken, replace(broken, number=3))
    assert line.startswith("layer 2 (hidden.1, Linear) gives NaN or infinity")


def test_channels_that_batch_norm_switched_off() -> None:
    norm = BatchNormHealth("bn1", gamma=(0.001, -0.002, 0.0, 1.0), beta=(0.0,) * 4)
    assert warn(SOUND, norms=(norm,))[0].startswith(
        "batch norm bn1: 75% of its channels are as good as switched off"
    )
