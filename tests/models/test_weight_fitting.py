"""Trained weights in a network of other classes and channels, against slow loops and against what they compute."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from convnets.errors import ModelFolderError
from convnets.models.catalogue import create_model
from convnets.models.weight_fitting import adapt_channels, fit_weights


@pytest.mark.parametrize(
    ("given", "channels"), [(3, 1), (1, 3), (3, 4), (3, 5), (4, 3), (2, 3), (3, 3), (5, 1)]
)
def test_channels_as_a_slow_loop_has_them(given: int, channels: int) -> None:
    weight = torch.randn(2, given, 3, 3, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros(2, channels, 3, 3)
    for filter_ in range(2):
        for channel in range(channels):
            for other in range(given):
                if channels == 1:
                    expected[filter_, 0] += weight[filter_, other]
                elif channel % given == other:
                    expected[filter_, channel] += weight[filter_, other] * given / channels
    torch.testing.assert_close(adapt_channels(weight, channels), expected)


@pytest.mark.parametrize("name", ["resnet20", "mlp"])
def test_gray_pictures_get_the_same_logits_from_summed_filters_as_repeated_from_the_first(name: str) -> None:
    rgb = create_model(name, in_channels=3, num_classes=4, input_size=16, seed=1).eval()
    gray = create_model(name, in_channels=1, num_classes=4, input_size=16, seed=2).eval()
    fit = fit_weights(gray, rgb.state_dict(), "x", keep_classes=True, given_channels=3)
    fit.load_into(gray)
    assert (fit.channels, fit.new) == ((3, 1), ())
    images = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(gray(images), rgb(images.expand(-1, 3, -1, -1)))
        back = create_model(name, in_channels=3, num_classes=4, input_size=16, seed=3).eval()
        fit_weights(back, gray.state_dict(), "x", keep_classes=True, given_channels=1).load_into(back)
        torch.testing.assert_close(back(images.expand(-1, 3, -1, -1)), gray(images))


def test_the_last_layer_is_new_where_classes_differ_and_nothing_else_is() -> None:
    given, own = create_model("lenet_bn", num_classes=7, seed=1), create_model("lenet_bn", seed=2)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    fit = fit_weights(own, given.state_dict(), "x", keep_classes=False)
    assert fit.new == ("classifier.weight", "classifier.bias")
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())  # not yet
    fit.load_into(own)
    for name, value in own.state_dict().items():
        assert torch.equal(value, before[name] if name in fit.new else given.state_dict()[name]), name


def test_equal_shapes_are_not_taken_where_the_classes_are_others() -> None:
    given, own = create_model("lenet", seed=1), create_model("lenet", seed=2)
    assert fit_weights(own, given.state_dict(), "x", keep_classes=True).new == ()
    assert fit_weights(own, given.state_dict(), "x", keep_classes=False).new == (
        "classifier.weight",
        "classifier.bias",
    )


def torchvision_names(network: nn.Module) -> dict[str, Tensor]:
    """A ResNet's weights as torchvision calls them."""
    renamed = {}
    for name, value in network.state_dict().items():
        for ours, theirs in (
            ("stem.0.", "conv1."),
            ("stem.1.", "bn1."),
            ("stage", "layer"),
            (".skip.", ".downsample."),
            ("classifier.", "fc."),
        ):
            name = name.replace(ours, theirs)
        renamed[name] = value
    return renamed


def test_torchvision_s_names_other_classes_and_gray_pictures_at_once() -> None:
    published = create_model("resnet18", num_classes=6, seed=1)
    own = create_model("resnet18", in_channels=1, num_classes=3, seed=2)
    fit = fit_weights(own, torchvision_names(published), "resnet18.pth", keep_classes=True)
    fit.load_into(own)
    assert (fit.torchvision, fit.channels, fit.new) == (
        True,
        (3, 1),
        ("classifier.weight", "classifier.bias"),
    )
    torch.testing.assert_close(own.stem[0].weight, published.stem[0].weight.sum(1, keepdim=True))
    assert torch.equal(own.stage4[1].bn2.running_var, published.stage4[1].bn2.running_var)


def test_auxiliary_heads_may_be_missing_on_either_side() -> None:
    small = {"in_channels": 1, "num_classes": 4, "input_size": 65}
    without, having = (create_model("googlenet", **small), create_model("googlenet", **small, auxiliary=True))
    assert fit_weights(without, having.state_dict(), "x", keep_classes=True).new == ()
    new = fit_weights(having, without.state_dict(), "x", keep_classes=True).new
    assert new
    assert all(name.startswith("auxiliary") for name in new)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("lenet", {"classifier.scale": torch.ones(1)}, "x does not fit lenet: unknown classifier.scale; name the"),
        ("lenet", {"hidden.1.weight": torch.ones(120, 256)}, "hidden.1.weight is 120×256, needs 120×400; take the"),
        ("lenet", {"convolutions.0.bias": torch.ones(6, dtype=torch.int64)}, "is torch.int64, needs torch.float32"),
        ("lenet_bn", {}, "x does not fit lenet_bn: "),
        ("softmax", {}, "x does not fit softmax"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(name: str, change: dict[str, Tensor], message: str) -> None:
    given = {**create_model("lenet").state_dict(), **change}
    with pytest.raises(ModelFolderError) as error:
        fit_weights(create_model(name), given, "x", keep_classes=True)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_network_of_one_layer_has_nothing_to_take_over_to_other_classes() -> None:
    given = create_model("softmax", num_classes=7).state_dict()
    with pytest.raises(ModelFolderError, match="its only layer depends on the classes"):
        fit_weights(create_model("softmax"), given, "x", keep_classes=False)
