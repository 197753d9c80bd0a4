"""capture: copies, gradients, and a network that is as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets import create_model
from convnets.errors import ConfigError, InputError, UnknownNameError
from convnets.explanation.capture.calls import find_calls
from convnets.explanation.capture.capture import capture, capture_parts, images_in_part
from convnets.explanation.capture.layers import choose_layers
from convnets.explanation.capture.watch import watch


def _second_class(logits: Tensor, start: int) -> Tensor:
    return logits[:, 1]


def test_in_place_layers_do_not_change_what_was_captured(in_place, clean, images) -> None:
    layers = ("conv1", "relu1", "norm", "relu2")
    got = capture(in_place, images, [*layers, "same"], scores=_second_class)
    wanted = capture(clean, images, layers, scores=_second_class)
    assert torch.equal(got.logits, wanted.logits)
    for name in layers:
        torch.testing.assert_close(got.maps[name], wanted.maps[name], rtol=0, atol=0)
        torch.testing.assert_close(got.gradients[name], wanted.gradients[name], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(got.maps["same"], got.maps["relu1"])


def test_gradients_are_those_of_the_written_out_network(in_place, clean, images) -> None:
    x = clean.relu1(clean.conv1(images)).detach().requires_grad_(True)
    logits = clean.classifier(clean.pool(F.relu(clean.norm(clean.conv2(x)) + x)).flatten(1))
    (wanted,) = torch.autograd.grad(logits[:, 1].sum(), x)
    got = capture(in_place, images, "relu1", scores=_second_class)
    torch.testing.assert_close(got.gradients["relu1"], wanted)


def test_parts_are_the_whole(shared, images) -> None:
    whole = capture(shared, images, "conv2", scores=_second_class)
    tiny = capture(shared, images, "conv2", scores=_second_class, memory=1)
    torch.testing.assert_close(tiny.gradients["conv2"], whole.gradients["conv2"])
    assert [len(part.logits) for part in capture_parts(shared, images, "conv2", memory=1)] == [1] * 5
    torch.testing.assert_close(tiny.logits, shared.eval()(images)[0])
    with pytest.raises(ConfigError, match="memory is 0 bytes"):
        capture(shared, images, memory=0)


def test_scores_know_the_place_of_their_part(shared, images) -> None:
    targets = torch.tensor([0, 2, 1, 1, 0])

    def own(logits: Tensor, start: int) -> Tensor:
        return logits.gather(1, targets[start : start + len(logits), None])[:, 0]

    parts = capture(shared, images, "conv2", scores=own, memory=1).gradients["conv2"]
    for place, target in enumerate(targets.tolist()):
        alone = capture(shared, images[[place]], "conv2", scores=lambda logits, _, t=target: logits[:, t])
        torch.testing.assert_close(parts[[place]], alone.gradients["conv2"])


def test_no_images_give_empty_tensors(shared, images) -> None:
    found = capture(shared, images[:0], ["conv2", "classifier"], scores=_second_class)
    assert found.logits.shape == (0, 3)
    assert found.maps["conv2"].shape == found.gradients["conv2"].shape == (0, 6, 8, 8)
    assert found.maps["classifier"].shape == (0, 3)


def test_frozen_weights_have_gradients_too(shared, images) -> None:
    for weight in shared.parameters():
        weight.requires_grad_(False)
    found = capture(shared, images, "conv2", scores=_second_class)
    assert bool(found.gradients["conv2"].any())
    with torch.inference_mode():
        again = capture(shared, images, "conv2", scores=_second_class)
    torch.testing.assert_close(again.gradients["conv2"].clone(), found.gradients["conv2"])


def test_a_network_is_left_as_found(left_as_found, in_place, images) -> None:
    with left_as_found(in_place):
        capture(in_place, images, "stages", scores=_second_class)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["pass", "scores", "block"])
def test_a_network_is_left_as_found_after(error, where, left_as_found, in_place, images) -> None:
    def fail(*_: object) -> Tensor:
        torch.rand(3)
        in_place.norm.running_mean.add_(1)
        raise error

    call = choose_layers(find_calls(in_place, images[:1]), "relu1")[0]

    def explain() -> None:
        if where == "scores":
            capture(in_place, images, scores=fail)
        with watch(in_place, [call], changes={call: fail} if where == "pass" else {}) as watching:
            watching.run(images, gradients=True)
            fail()

    with left_as_found(in_place), pytest.raises(error):
        explain()


def test_a_change_takes_the_place_of_an_output(clean, images) -> None:
    call = choose_layers(find_calls(clean, images[:1]), "relu1")[0]
    with watch(
        clean, [call], changes={call: lambda maps: maps.index_fill(1, torch.tensor([2]), 0.0)}
    ) as watching:
        found = watching.run(images)
    x = clean.relu1(clean.conv1(images))
    x[:, 2] = 0
    wanted = clean.classifier(clean.pool(F.relu(clean.norm(clean.conv2(x)) + x)).flatten(1))
    torch.testing.assert_close(found.logits, wanted.detach())
    assert not bool(found.maps["relu1"][:, 2].any())


def test_calls_of_a_shared_module_have_names_of_their_own(shared, images) -> None:
    calls = find_calls(shared, images[:1])
    names = [call.name for call in calls.all]
    assert names == ["conv1", "relu (1)", "conv2", "relu (2)", "pool", "drop", "classifier"]
    found = capture(shared, images, ["relu (1)", "relu (2)"])
    torch.testing.assert_close(found.maps["relu (1)"], F.relu(shared.conv1(images)).detach())
    with pytest.raises(InputError, match=r"relu is called 2 times; choose one call: 'relu \(1\)'"):
        capture(shared, images, "relu")
    with pytest.raises(UnknownNameError, match="unknown layer 'conv3'; nearest: conv"):
        capture(shared, images, "conv3")


def test_functional_and_shared_relus_are_found(shared, in_place, clean, images) -> None:
    calls = find_calls(shared, images[:1])
    assert (calls.functional_relus, calls.reused_relus) == (("forward",), ("relu",))
    assert calls.operations["ReluBackward0"] == 3
    assert find_calls(in_place, images[:1]).functional_relus == ()
    assert find_calls(clean, images[:1]).reused_relus == ()
    small = find_calls(create_model("resnet18_d2l", in_channels=1, seed=0), torch.zeros(1, 1, 32, 32))
    assert len(small.functional_relus) == 16  # two for each of eight blocks
    assert all(path.count(".") for path in small.functional_relus)


def test_a_layer_that_leads_nowhere_has_no_gradient(images) -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.aside = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.used(x).mean((2, 3))
            self.aside(x)
            return y

    network = Aside().double()
    assert capture(network, images).layers[0].name == "used"
    with pytest.raises(InputError, match="no gradient comes to aside"):
        capture(network, images, "aside", scores=lambda logits, _: logits[:, 0])


@pytest.mark.parametrize(
    ("name", "size", "last", "stages"),
    [
        ("lenet", 28, "convolutions", 4),
        ("resnet20", 32, "stage3", 3),
        ("resnet18_small", 32, "stage4", 4),
        ("googlenet", 96, "inception.5b", 5),
        ("densenet_bc100", 32, None, 3),
    ],
)
def test_roles_in_networks_of_the_catalogue(name, size, last, stages) -> None:
    network = create_model(name, in_channels=1, seed=0)
    calls = find_calls(network, torch.randn(1, 1, size, size))
    found = choose_layers(calls, "last_maps")[0]
    assert last in (None, found.name)
    assert found.shape == network.eval().features(torch.randn(1, 1, size, size)).shape
    shapes = [call.shape[2:] for call in choose_layers(calls, "stages")]
    assert len(set(shapes)) == len(shapes) == (stages or len(shapes))


def test_auxiliary_heads_stay_out_of_the_way() -> None:
    network = create_model("googlenet", in_channels=1, seed=0, auxiliary=True)
    found = capture(network, torch.randn(1, 1, 96, 96), scores=_second_class)
    assert found.layers[0].name == "inception.5b"


def test_what_is_no_batch_or_no_network_is_refused(clean, images) -> None:
    with pytest.raises(InputError, match=r"images are torch\.uint8"):
        capture(clean, images.to(torch.uint8))
    with torch.device("meta"), pytest.raises(InputError, match="meta device"):
        capture(nn.Conv2d(1, 2, 3), images)
    with pytest.raises(InputError, match="without a shape"):
        capture(nn.LazyConv2d(2, 3), images)
    with pytest.raises(InputError, match="no layer with feature maps"):
        capture(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).double(), images)


class SetsRecording(nn.Module):
    """Decides by itself what is recorded, in one of several ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.before, self.layer = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)
        if self.way == "on around the layer":
            with torch.enable_grad():
                x = self.layer(x)
            return self.head(torch.tanh(x).mean((2, 3)))
        if self.way == "on around some":
            with torch.enable_grad():
                x = torch.tanh(self.layer(x))
            aside = x.mean((2, 3))
            with torch.enable_grad():
                return self.head(x.mean((2, 3)) + aside)
        if self.way == "off after it":
            x = torch.tanh(self.layer(x))
            with torch.no_grad():
                scale = x.mean((2, 3))
            return self.head(x.mean((2, 3)) * scale)
        return self.head(torch.tanh(self.layer(x)).mean((2, 3)))


@pytest.mark.parametrize("way", ["plain", "on around the layer", "on around some", "off after it"])
def test_gradients_of_maps_are_the_same_when_recording_begins_there(way: str) -> None:
    torch.manual_seed(0)
    network, images = SetsRecording(way).eval(), torch.randn(3, 1, 6, 6)
    layers = choose_layers(find_calls(network, images[:1]), ["before", "layer"])[1:]
    with watch(network, layers) as watching:
        whole, late = (watching.run(images, gradients=True, of_maps=of_maps) for of_maps in (False, True))
        assert torch.equal(late.logits, whole.logits)
        assert late.images.requires_grad == (
            way.startswith("on")
        )  # recorded from the image on where it must be
        wanted, got = (found.gradients(found.logits[:, 1]) for found in (whole, late))
    assert bool(wanted["layer"].any())
    torch.testing.assert_close(got["layer"], wanted["layer"], rtol=0, atol=0)


def test_what_is_not_recorded_has_no_gradient_either_way() -> None:
    class Off(SetsRecording):
        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                x = self.layer(self.before(x))
            return self.head(x.mean((2, 3)))

    network, images = Off("off"), torch.randn(2, 1, 6, 6)
    layers = choose_layers(find_calls(network, images[:1]), "layer")
    for of_maps in (False, True):
        with watch(network, layers) as watching:
            found = watching.run(images, gradients=True, of_maps=of_maps)
            score = found.logits[:, 0]
            with pytest.raises(InputError, match="no gradient comes to layer"):
                found.gradients(score)


def test_parts_on_a_processor_have_no_tensor_that_is_mapped_afresh() -> None:
    network = nn.Sequential(nn.Conv2d(1, 64, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    calls = find_calls(network, torch.zeros(1, 1, 28, 28))
    assert calls.device == "cpu"
    size = images_in_part(calls, 1 << 40, gradients=False)
    assert size == (24 << 20) // (64 * 28 * 28 * 4)
    assert images_in_part(replace(calls, device="cuda"), 1 << 40, gradients=False) == 1024
    assert images_in_part(replace(calls, largest_bytes=1 << 30), 1 << 40, gradients=True) == 1
