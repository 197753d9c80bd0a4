"""Health against plain arithmetic, finite differences and real optimizer steps; and the network as it was before."""

from __future__ import annotations

import copy
import json

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.errors import InputError, UsageError
from convnets.inspection.health.measure import batch_norms_of, measure_health
from convnets.inspection.health.record import LayerHealth, NetworkHealth, spread_of
from convnets.layers import BatchNorm, RescaledSigmoid, initialize
from convnets.models.catalogue import create_model


def by_name(health: NetworkHealth) -> dict[str, LayerHealth]:
    return {layer.name: layer for layer in health.layers}


def batch(images: int = 12, channels: int = 1, side: int = 28) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(images, channels, side, side, generator=generator)
    return x, torch.randint(10, (images,), generator=generator)


def test_activations_by_plain_arithmetic() -> None:
    network = create_model("lenet", seed=0)
    x, _ = batch()
    layers = by_name(measure_health(network, x))
    outputs = {}
    z = x
    for name, module in [*network.convolutions.named_children()]:
        z = module(z)
        outputs[f"convolutions.{name}"] = z.detach().double()
    for name in ("convolutions.0", "convolutions.1", "convolutions.4"):
        found, y = layers[name], outputs[name]
        assert found.output_shape == tuple(y.shape)
        assert found.mean == pytest.approx(float(y.sum() / y.numel()), abs=1e-6)
        variance = ((y - y.mean()) ** 2).sum() / y.numel()
        assert found.spread == pytest.approx(float(variance) ** 0.5, rel=1e-5)
        over_images = ((y - y.mean(0)) ** 2).sum() / y.numel()
        assert found.image_spread == pytest.approx(float(over_images) ** 0.5, rel=1e-5)
    assert "convolutions.2" not in layers  # pooling learns nothing and cuts nothing off


def test_dead_and_silent_units() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5), nn.ReLU()
    )
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([1.0, -1.0, 0.0, 2.0]).view(4, 1, 1, 1))
        network[3].bias.fill_(-1e3)
        network[3].bias[0] = 1e3
    x = torch.rand(6, 1, 2, 2) + 0.1
    x[0, 0, 0, 0] = -1.0  # one pixel of channels 0 and 3 is silent, and channel 1 speaks there alone
    layers = by_name(measure_health(network, x))
    assert layers["1"].dead == 1 / 4  # the channel of weight 0
    assert layers["1"].zeros == pytest.approx((1 + 23 + 24 + 1) / 96)
    assert layers["4"].dead == pytest.approx(4 / 5)
    assert layers["1"].saturated is None
    assert layers["0"].dead is None


def test_saturation_is_where_the_slope_is_below_a_twentieth_of_the_steepest() -> None:
    values = torch.linspace(-8, 8, 401)
    for activation, slope in (
        (nn.Sigmoid(), lambda x: 4 * torch.sigmoid(x) * (1 - torch.sigmoid(x))),
        (RescaledSigmoid(), lambda x: 1 / torch.cosh(x / 2) ** 2),
        (nn.Tanh(), lambda x: 1 / torch.cosh(x) ** 2),
        (nn.Hardtanh(-2.0, 1.0), lambda x: ((x > -2) & (x < 1)).float()),
        (nn.Hardsigmoid(), lambda x: (x.abs() < 3).float()),
    ):
        (layer,) = measure_health(nn.Sequential(activation), values.view(-1, 1)).layers
        expected = float((slope(values) < 0.05).double().mean())
        assert layer.saturated == pytest.approx(expected, abs=1 / 401), activation
        assert layer.kind == type(activation).__name__
    (layer,) = measure_health(nn.Sequential(nn.ReLU6()), values.view(-1, 1)).layers
    assert layer.saturated == pytest.approx(float((values >= 6).double().mean()))
    assert layer.zeros == pytest.approx(float((values <= 0).double().mean()))


def test_functions_that_a_block_calls_are_layers_too() -> None:
    network = create_model("resnet18_d2l", seed=0)
    x, targets = batch(4, side=33)
    names = [layer.name for layer in measure_health(network, x, targets).layers]
    assert names[3:9] == [
        "stage1.0.conv1",
        "stage1.0.bn1",
        "stage1.0.relu",
        "stage1.0.conv2",
        "stage1.0.bn2",
        "stage1.0.relu (2)",
    ]
    assert len(names) == len(set(names))


def test_gradients_are_those_of_a_backward_pass() -> None:
    network = create_model("lenet_bn", seed=0)
    x, targets = batch()
    health = measure_health(network, x, targets)
    twin = copy.deepcopy(network)
    kept: dict[str, Tensor] = {}

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        output.retain_grad()
        kept["y"] = output

    handle = twin.hidden[1].register_forward_hook(keep)
    loss = F.cross_entropy(twin(x), targets)
    loss.backward()
    handle.remove()
    assert health.loss == pytest.approx(loss.item(), rel=1e-6)
    layers = by_name(health)
    for name, module in twin.named_modules():
        own = list(module.parameters(recurse=False))
        if own:
            assert layers[name].gradient == pytest.approx(
                float(torch.cat([p.grad.flatten() for p in own]).norm()), rel=1e-4
            )
            assert layers[name].weight == pytest.approx(
                float(torch.cat([p.detach().flatten() for p in own]).norm()), rel=1e-5
            )
    # what one image's own loss says, image by image: the loss is their mean
    by_image = kept["y"].grad * len(x)
    assert layers["hidden.1"].output_gradient == pytest.approx(float(by_image.norm(dim=1).mean()), rel=1e-4)


def test_an_output_changed_in_place_afterwards() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 10))
    in_place = nn.Sequential(plain[0], nn.ReLU(inplace=True), plain[2])
    x, targets = torch.randn(6, 4), torch.arange(6)
    assert measure_health(plain, x, targets).layers == measure_health(in_place, x, targets).layers


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
        lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
    ],
    ids=["sgd", "adamw"],
)
def test_the_update_is_the_step_that_the_optimizer_then_takes(make: object) -> None:
    network = create_model("lenet", seed=0)
    optimizer = make(network.parameters())  # type: ignore[operator]
    x, targets = batch()
    for _ in range(2):  # the second time it has a state
        health = measure_health(network, x, targets, optimizer=optimizer)
        before = {name: p.detach().clone() for name, p in network.named_parameters()}
        optimizer.zero_grad()
        F.cross_entropy(network(x), targets).backward()
        optimizer.step()
        for name in ("convolutions.0", "classifier"):
            own = [f"{name}.weight", f"{name}.bias"]
            moved = torch.cat([(network.get_parameter(n).detach() - before[n]).flatten() for n in own])
            size = torch.cat([before[n].flatten() for n in own]).norm()
            assert by_name(health)[name].update == pytest.approx(float(moved.norm() / size), rel=1e-4)
    assert health.step is not None
    assert "learning rate" in health.step


def test_everything_is_left_as_found() -> None:
    network = create_model("resnet18_d2l", seed=0)
    network.train()
    network.stage2.eval()
    network.stem[0].weight.grad = torch.ones_like(network.stem[0].weight)
    frozen = network.stage1[0].conv1.weight.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1, momentum=0.9)
    x, targets = batch(4, side=33)

    def snapshot() -> dict[str, object]:
        return {
            "values": {name: value.clone() for name, value in network.state_dict().items()},
            "places": {name: id(value) for name, value in network.state_dict(keep_vars=True).items()},
            "gradients": {
                name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None
            },
            "modes": [module.training for module in network.modules()],
            "hooks": [
                len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
                for module in network.modules()
            ],
            "attributes": [sorted(vars(module)) for module in network.modules()],
            "optimizer": optimizer.state_dict()["state"],
            "random": torch.get_rng_state(),
        }

    before = snapshot()
    health = measure_health(network, x, targets, optimizer=optimizer)
    after = snapshot()
    for exact in ("places", "modes", "hooks", "attributes"):
        assert after.pop(exact) == before.pop(exact), exact
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    assert frozen.grad is None
    assert by_name(health)["stage1.0.conv1"].gradient is not None  # of its bias


def test_everything_is_left_as_found_when_the_network_fails() -> None:
    network = create_model("lenet_bn")
    before = network.convolutions[1].running_mean.clone()
    with pytest.raises(InputError):
        measure_health(network, torch.zeros(2, 3, 28, 28))
    failing = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(4, 2))
    with pytest.raises(RuntimeError):
        measure_health(failing, torch.rand(2, 3))
    assert torch.equal(failing[0].running_mean, torch.zeros(3))
    assert torch.equal(network.convolutions[1].running_mean, before)
    assert not any(
        m._forward_hooks or m._forward_pre_hooks for net in (network, failing) for m in net.modules()
    )
    x = torch.rand(3)
    assert torch.equal(torch.relu(x), x)  # and no mode is left behind


def test_a_deep_sigmoid_network_and_what_helps_it() -> None:
    """Section 4.2 of Glorot & Bengio 2010 in small: the gradient of plain sigmoids is gone after ten layers."""
    x, targets = batch(32)

    def gradients(activation: type[nn.Module], initializer: str | None) -> NetworkHealth:
        torch.manual_seed(0)
        hidden = [m for i in range(10) for m in (nn.Linear(784 if i == 0 else 64, 64), activation())]
        network = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10))
        if initializer:
            initialize(network, initializer, seed=0)
        return measure_health(network, x, targets)

    sick = gradients(nn.Sigmoid, None)
    assert any("the gradient vanishes: at layer 1" in warning for warning in sick.warnings)
    assert any("all images look alike" in warning for warning in sick.warnings)
    for healthy in (
        gradients(nn.ReLU, "kaiming-normal"),
        gradients(RescaledSigmoid, "xavier-normal"),
    ):
        assert healthy.warnings == ()
        assert min(layer.gradient for layer in healthy.layers if layer.gradient is not None) > 0.01


def test_equal_weights_are_noticed() -> None:
    network = create_model("lenet", seed=0)
    assert not any(layer.alike for layer in measure_health(network, *batch()).layers)
    initialize(network, "constant")
    health = measure_health(network, *batch())
    assert by_name(health)["convolutions.0"].alike
    assert any("all units give the same" in warning for warning in health.warnings)


def test_scales_of_batch_norms() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), BatchNorm(3), nn.BatchNorm1d(4, affine=False), nn.LayerNorm(4))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
    norms = batch_norms_of(network)
    assert [norm.name for norm in norms] == ["0", "1"]
    assert norms[1].gamma == (1.0, -2.0, 0.5)
    assert spread_of(norms[1].gamma) == (-2.0, -0.75, 0.5, 0.75, 1.0)
    assert spread_of((4.0,)) == (4.0,) * 5
    assert spread_of(()) is None


def test_records_travel_as_json() -> None:
    network = create_model("lenet_bn", seed=0)
    health = measure_health(network, *batch())
    assert NetworkHealth.from_dict(json.loads(json.dumps(health.to_dict()))) == health
    short = NetworkHealth.from_dict(json.loads(json.dumps(health.to_dict(values=False))))
    assert short.layers == health.layers
    assert [spread_of(n.gamma) for n in short.batch_norms] == [spread_of(n.gamma) for n in health.batch_norms]
    with torch.no_grad():
        network.classifier.weight[0, 0] = torch.inf
    broken = measure_health(network, *batch())
    text = json.dumps(broken.to_dict(), allow_nan=False)
    assert str(NetworkHealth.from_dict(json.loads(text)).layers[-1].mean) == "nan"
    assert broken.warnings[0].startswith("layer 5 (classifier, Linear) gives NaN or infinity")


def test_text_and_html_show_every_layer() -> None:
    health = measure_health(create_model("lenet_bn", seed=0), *batch())
    for shown in (str(health), health._repr_html_()):
        assert all(layer.name in shown for layer in health.layers)
        assert "γ median" in shown
    assert str(health).startswith("lenet_bn, 12 images in training mode, loss 2.")


def test_what_does_not_fit_is_refused() -> None:
    network = nn.Linear(4, 3)
    with pytest.raises(UsageError, match="an optimizer needs gradients; give targets too"):
        measure_health(network, torch.rand(2, 4), optimizer=torch.optim.SGD(network.parameters(), lr=1))
    with pytest.raises(InputError, match=r"the loss cannot take an output of \(2, 3\) with targets \(5,\)"):
        measure_health(network, torch.rand(2, 4), torch.zeros(5, dtype=torch.int64))
    with pytest.raises(InputError, match=r"the loss gives \(2,\); allowed: one number"):
        measure_health(network, torch.rand(2, 4), torch.zeros(2), loss=lambda y, t: y.sum(1))


def test_networks_without_gradients_and_without_batches() -> None:
    network = create_model("mlp").requires_grad_(False)
    x, targets = batch()
    health = measure_health(network, x, targets)
    assert health.loss is not None
    assert all(layer.gradient is None and layer.output_gradient is None for layer in health.layers)
    assert measure_health(network, x[:1]).layers[0].image_spread is None
