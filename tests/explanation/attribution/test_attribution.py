"""explain, as a whole: any network, whatever is asked, and the network as it was."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convnets import explain
from convnets.errors import ConfigError, InputError, UnknownNameError, UsageError
from convnets.explanation.attribution.attribution import Attribution
from convnets.explanation.attribution.methods import METHODS

LeftAsFound = Callable[[nn.Module], AbstractContextManager[None]]
FOR_ALL = [name for name in METHODS if name != "lrp"]


def _maps(network: nn.Module, images: Tensor, name: str, **more: object) -> np.ndarray:
    return np.stack([each.native for each in explain(network, images, 1, method=name, **more)])


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_is_its_images_one_by_one(
    name: str, shared: nn.Module, chain: nn.Module, images: Tensor
) -> None:
    network = chain if name == "lrp" else shared
    whole = _maps(network, images, name)
    for place in (0, 4):
        alone = _maps(network, images[[place]], name)
        np.testing.assert_allclose(alone[0], whole[place], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(_maps(network, images, name, memory=1), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_threads_change_nothing(name: str, shared: nn.Module, chain: nn.Module, images: Tensor) -> None:
    network = chain if name == "lrp" else shared
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        two = _maps(network, images, name)
        torch.set_num_threads(1)
        np.testing.assert_allclose(_maps(network, images, name), two, rtol=1e-5, atol=1e-6)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", METHODS)
def test_no_images_give_no_maps(name: str, shared: nn.Module, chain: nn.Module, images: Tensor) -> None:
    found = explain(chain if name == "lrp" else shared, images[:0], method=name, check=True)
    assert (list(found), found.to_dict()) == ([], [])
    assert "no attributions" in found._repr_html_()
    with pytest.raises(InputError, match="no attribution to draw"):
        found.figure()


@pytest.mark.parametrize("name", METHODS)
def test_the_mode_makes_no_difference(name: str, shared: nn.Module, chain: nn.Module, images: Tensor) -> None:
    network = chain if name == "lrp" else shared
    training = _maps(network.train(), images, name)
    np.testing.assert_array_equal(_maps(network.eval(), images, name), training)


@pytest.mark.parametrize("name", METHODS)
def test_a_network_is_left_as_found(
    name: str, left_as_found: LeftAsFound, shared: nn.Module, chain: nn.Module, images: Tensor
) -> None:
    network = chain if name == "lrp" else shared
    with left_as_found(network):
        explain(network, images, method=name)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("name", FOR_ALL)
def test_a_network_is_left_as_found_after(
    name: str, error: type[BaseException], left_as_found: LeftAsFound, shared: nn.Module, images: Tensor
) -> None:
    """It ends in the third pass, when the method is at work."""
    passes = []

    class Ending(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            passes.append(torch.rand(2))
            if len(passes) > 2:
                raise error
            return x

    shared.drop = Ending()
    with left_as_found(shared), pytest.raises(error):
        explain(shared, images, method=name)
    assert len(passes) == 3


def test_checks_leave_a_network_as_found(
    left_as_found: LeftAsFound, in_place: nn.Module, images: Tensor
) -> None:
    with left_as_found(in_place):
        found = explain(in_place, images[:1], check=True)
    assert [verdict.check for verdict in found[0].verdicts] == [
        "randomization",
        "deletion",
        "sensitivity",
        "agreement",
    ]


def test_gradients_are_taken_under_no_grad_too(shared: nn.Module, images: Tensor) -> None:
    wanted = _maps(shared, images, "grad-cam")
    with torch.no_grad():
        np.testing.assert_array_equal(_maps(shared, images, "grad-cam"), wanted)
    with torch.inference_mode():
        np.testing.assert_array_equal(_maps(shared, images, "grad-cam"), wanted)


def test_each_image_has_its_own_target(clean: nn.Module, images: Tensor) -> None:
    targets = [0, 2, 1, 1, 0]
    found = explain(clean, images, targets)
    assert [each.target for each in found] == targets
    assert all(not each.native.any() or each.native.std() > 0 for each in found)
    for place, target in enumerate(targets):
        alone = explain(clean, images[[place]], target)[0]
        np.testing.assert_allclose(found[place].native, alone.native)
    with torch.no_grad():
        predicted = clean(images).argmax(1).tolist()
    assert [each.target for each in explain(clean, images)] == predicted


def test_many_images_are_explained_part_by_part(clean: nn.Module) -> None:
    images = torch.randn(260, 1, 8, 8, dtype=torch.float64)
    targets = [place % 3 for place in range(260)]
    found = explain(clean, images, targets, method="gradient")
    assert [each.place for each in found] == list(range(260))
    alone = explain(clean, images[257:258], targets[257], method="gradient")[0]
    np.testing.assert_allclose(found[257].native, alone.native)


def test_a_film_strip_from_the_first_to_the_last_map_size(
    shared: nn.Module, images: Tensor, tmp_path: Path
) -> None:
    found = explain(shared, images[:2], layer="stages", contrast=[0, 0], target=[1, 2])
    assert [(each.place, each.layer) for each in found] == [
        (place, layer) for place in (0, 1) for layer in ("relu (2)", "pool")
    ]
    assert [each.native.shape for each in found[:2]] == [(8, 8), (4, 4)]
    assert found[0].question == "class 1 and not class 0"
    assert found.save(tmp_path / "strip.png").stat().st_size > 1000


def test_signed_values_are_kept_and_the_papers_map_is_beside_them(clean: nn.Module, images: Tensor) -> None:
    found = explain(clean, images, 0, layer="conv1")
    assert any((each.native < 0).any() for each in found)
    assert all((each.evidence >= 0).all() for each in found)
    gradient = explain(clean, images, 0, method="gradient")[0]
    np.testing.assert_allclose(gradient.importance, np.abs(gradient.native).max(0))
    np.testing.assert_allclose(gradient.map, gradient.native.sum(0))


def test_an_empty_map_says_so(images: Tensor) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    with torch.no_grad():
        network[4].weight.copy_(torch.tensor([[-1.0, -2.0], [0.0, 0.0]]))
        network[0].bias.fill_(1.0)
    against, constant = (explain(network, images[:1].float(), target, check=True)[0] for target in (0, 1))
    assert against.is_empty
    assert against.native.any()  # it is kept what spoke against the class
    assert "The map is empty: no position speaks for it." in against.words
    assert [verdict.words for verdict in constant.verdicts] == [
        "This map is the same everywhere: there is nothing to believe or to doubt."
    ]
    assert constant.is_empty
    assert constant.figure() is not None


def test_a_residual_that_is_large_is_told() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with torch.no_grad():
        network[1].bias.copy_(torch.tensor([3.0, 0.0]))
    found = explain(network, torch.ones(1, 1, 2, 2), 0, method="lrp")[0]
    assert found.residual == pytest.approx(-3.0, abs=1e-4)
    assert "Its sum differs by -3 from" in found.words


def test_records_as_plain_values_page_and_pictures(clean: nn.Module, images: Tensor, tmp_path: Path) -> None:
    found = explain(clean, images[:2], 1, contrast=0, check=True)
    one = found[0]
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain[0]["target_name"] == "class 1"
    assert np.array(plain[0]["map"]).shape == (8, 8)
    assert "map" not in one.to_dict(arrays=False)
    assert plain[1]["verdicts"][0]["check"] == "randomization"
    assert (one.overlay().shape, one.overlay().dtype) == ((8, 8, 3), np.uint8)
    assert "<svg" in one._repr_html_()
    assert "<svg" in found._repr_html_()
    assert str(found).count("\n") == 9  # two maps with four verdicts each
    page = one.save(tmp_path / "new" / "one.html").read_text()
    assert one.verdicts[0].words in html.unescape(page)
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert found.save(tmp_path / "why.html") == tmp_path / "why-1.html"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "why-1.html", "why-2.html"]
    assert one.save(tmp_path / "one.svg").read_text().startswith("<svg")
    with pytest.raises(UsageError, match="allowed: \\.png, \\.svg, \\.html"):
        one.save(tmp_path / "one.gif")


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda n, x: explain(n, x, method="gradcam"), UnknownNameError, "unknown method 'gradcam'"),
        (lambda n, x: explain(n, x, 3), InputError, "target is 3; allowed: 0 to 2"),
        (lambda n, x: explain(n, x, [0, 1]), InputError, "2 targets for 5 images"),
        (lambda n, x: explain(n, x, "cat"), UnknownNameError, "unknown class 'cat'"),
        (lambda n, x: explain(n, x, 1, contrast=1), ConfigError, "which is the target as well"),
        (lambda n, x: explain(n, x, method="gradient", layer="conv1"), ConfigError, "looks at pixels"),
        (lambda n, x: explain(n, x, layer="conv9"), UnknownNameError, "unknown layer 'conv9'"),
        (lambda n, x: explain(n, x[0]), InputError, "images have shape"),
        (lambda n, x: explain(n, (255 * x).byte()), InputError, "allowed: a float tensor"),
        (lambda n, x: explain(3, x), InputError, "int cannot be explained"),
    ],
)
def test_what_cannot_be_asked(
    ask: Callable[..., object], error: type[Exception], message: str, clean: nn.Module, images: Tensor
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        ask(clean, images)


def test_a_run_knows_its_classes_and_preprocessing(planted, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    picture = planted.moved.pixels[:2]
    found = explain(planted.model, picture, "3", contrast="5", method="gradient")
    wanted = explain(
        planted.model.network, planted.model.preprocess(picture), 3, contrast=5, method="gradient"
    )
    assert isinstance(found[0], Attribution)
    assert (found[0].question, found[0].name) == ("3 and not 5", "picture 0")
    np.testing.assert_array_equal(found[0].picture, picture[0].numpy())
    np.testing.assert_allclose(found[1].native, wanted[1].native, rtol=1e-5, atol=1e-7)
