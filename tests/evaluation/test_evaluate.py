"""evaluate() against a plain loop over single images; its promises about modes, precision and errors."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from convnets.checkpoints.model_folder import TrainedModel, save_model
from convnets.core.hardware import Hardware
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import ConfigError, DeviceError, InputError, TrainingError
from convnets.evaluation.evaluate import evaluate
from convnets.evaluation.evaluation import Evaluation
from convnets.evaluation.scores import evaluation_mode, images_at_once
from convnets.evaluation.views import crop_views
from convnets.models.catalogue import create_model

CLASSES = ("ankle boot", "bag", "coat", "dress", "狗", "<b>x</b>", "shirt")


def _images(count: int = 50, side: int = 14, channels: int = 1) -> ImageSet:
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(256, (count, channels, side, side), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.randint(len(CLASSES), (count,), generator=generator), CLASSES, "noise")


def _network(channels: int = 1, classes: int = len(CLASSES)) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = nn.Sequential(
            nn.Conv2d(channels, 8, 3, stride=2),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(32, classes),
        )
        network[1].running_mean.normal_()  # type: ignore[union-attr, operator]
        network[6].weight.data.mul_(20)  # type: ignore[union-attr, operator]
    return network


PREPROCESS = Preprocess(channels=1, size=14, resize=14, mean=(0.4,), std=(0.3,))


def _by_hand(network: nn.Module, images: ImageSet, preprocess: Preprocess) -> Tensor:
    network = network.double().eval()
    rows = []
    with torch.no_grad():
        for picture in images.pixels:
            x = (picture.double() / 255 - preprocess.mean[0]) / preprocess.std[0]
            rows.append(network(x[None])[0].softmax(0))
    return torch.stack(rows)


@pytest.mark.parametrize("batch_size", [None, 1, 7, 50, 1000])
def test_equals_a_loop_over_single_images_in_float64(batch_size: int | None) -> None:
    images = _images()
    expected = _by_hand(_network(), images, PREPROCESS)
    evaluation = evaluate(_network(), images, PREPROCESS, batch_size=batch_size)
    torch.testing.assert_close(evaluation.probabilities, expected.float(), rtol=1e-4, atol=1e-6)
    own = expected[torch.arange(50), images.labels]
    assert evaluation.loss == pytest.approx(float(-own.log().mean()), rel=1e-5)
    assert evaluation.accuracy == float((expected.argmax(1) == images.labels).double().mean())
    assert evaluation.images == 50
    assert torch.equal(evaluation.labels, images.labels)
    assert evaluation.classes == CLASSES
    assert 0 < evaluation.seconds < 60


def test_views_average_probabilities_of_crops_of_the_wider_picture() -> None:
    images, network = _images(side=20), _network().eval()
    preprocess = Preprocess(channels=1, size=14, resize=14, mean=(0.4,), std=(0.3,))
    x = F.interpolate(images.pixels.float() / 255, size=(16, 16), mode="bilinear", antialias=True)
    for views in (5, 10):
        crops = crop_views((x - 0.4) / 0.3, 14, views)
        with torch.no_grad():
            expected = torch.stack([network(crop).softmax(1) for crop in crops.unbind(1)]).mean(0)
        evaluation = evaluate(network, images, preprocess, views=views, batch_size=16)
        torch.testing.assert_close(evaluation.probabilities, expected, rtol=1e-4, atol=1e-6)
        assert evaluation.protocol.startswith(f"{views} views")
        assert "14 px of short side 16" in evaluation.protocol


def test_six_views_count_the_unmoved_ones_double() -> None:
    images, network = _images(side=14), _network().eval()
    preprocess = Preprocess(channels=1, size=14, resize=14, mean=(0.4,), std=(0.3,))
    crops = crop_views((images.pixels.float() / 255 - 0.4) / 0.3, 14, 6)
    with torch.no_grad():
        each = torch.stack([network(crop).softmax(1) for crop in crops.unbind(1)])
    expected = (2 * each[0] + each[1] + each[2] + 2 * each[3] + each[4] + each[5]) / 8
    evaluation = evaluate(network, images, preprocess, views=6, batch_size=16)
    torch.testing.assert_close(evaluation.probabilities, expected, rtol=1e-4, atol=1e-6)
    assert evaluation.protocol.startswith("6 views (center, moved by a pixel, mirrored), 14 px")


def test_every_part_keeps_its_mode_and_its_buffers() -> None:
    network = _network().train()
    network[5].eval()  # type: ignore[union-attr, operator]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    evaluate(network, _images(), PREPROCESS)
    assert [module.training for module in network.modules()] == modes
    assert True in modes
    assert False in modes
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_modes_return_after_an_error() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout()).train()
    with pytest.raises(RuntimeError), evaluation_mode(network):
        network(torch.zeros(1, 4, 2, 2))
    assert all(module.training for module in network.modules())


def test_a_network_can_learn_after_it_and_its_results_can_be_used_in_gradients() -> None:
    network = _network().train()
    evaluation = evaluate(network, _images(), PREPROCESS)
    network(torch.zeros(2, 1, 14, 14)).sum().backward()
    weight = torch.ones(len(CLASSES), requires_grad=True)
    (evaluation.probabilities * weight).sum().backward()
    assert network[0].weight.grad is not None  # type: ignore[union-attr]


def test_the_generator_of_random_numbers_is_left_alone() -> None:
    state = torch.get_rng_state()
    evaluate(_network(), _images(), PREPROCESS, views=10)
    assert torch.equal(torch.get_rng_state(), state)


def test_bf16_is_used_when_asked_and_said() -> None:
    hardware = Hardware(torch.device("cpu"), torch.bfloat16, torch.get_num_threads())
    seen: list[torch.dtype] = []
    network = _network()
    network[6].register_forward_hook(lambda module, args, output: seen.append(output.dtype))  # type: ignore[union-attr]
    evaluation = evaluate(network, _images(), PREPROCESS, hardware=hardware)
    assert set(seen) == {torch.bfloat16}
    assert evaluation.protocol == "single center crop, 14 px of short side 14, bf16"
    assert evaluation.probabilities.dtype is torch.float32
    torch.testing.assert_close(evaluation.probabilities.sum(1), torch.ones(50), rtol=1e-5, atol=1e-5)


def test_progress_counts_images() -> None:
    seen: list[tuple[int, int]] = []
    evaluate(
        _network(),
        _images(),
        PREPROCESS,
        batch_size=20,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(20, 50), (40, 50), (50, 50)]


class _Pictures:
    """Files of mixed sizes, as a folder would give them."""

    def __init__(self, pixels: Sequence[Image.Image]) -> None:
        self.pixels = pixels
        self.names = [f"{i}.png" for i in range(len(pixels))]

    def __len__(self) -> int:
        return len(self.pixels)

    def open(self, index: int) -> Image.Image:
        return self.pixels[index]

    def subset(self, indices: Sequence[int]) -> _Pictures:
        return _Pictures([self.pixels[i] for i in indices])

    def content_hash(self) -> str:
        return "0"


def test_files_of_mixed_sizes_score_as_their_decoded_pixels() -> None:
    resident = _images(side=14)
    files = _Pictures([Image.fromarray(pixels[0].numpy()) for pixels in resident.pixels])
    images = ImageSet(files, resident.labels, CLASSES, "files")
    one, other = (evaluate(_network(), each, PREPROCESS) for each in (resident, images))
    torch.testing.assert_close(one.probabilities, other.probabilities)
    wide = _Pictures([Image.new("RGB", (40 + i, 30)) for i in range(50)])
    assert (
        evaluate(_network(), ImageSet(wide, resident.labels, CLASSES, "wide"), PREPROCESS, views=10).images
        == 50
    )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_an_error_in_one_line(value: float) -> None:
    network = _network()
    network[6].bias.data[2] = value  # type: ignore[union-attr, index, operator]
    with pytest.raises(
        TrainingError, match=r"gave nan for image 0 of noise, 50 of 50.*smaller learning rate"
    ) as raised:
        evaluate(network, _images(), PREPROCESS)
    assert "\n" not in str(raised.value)


def test_another_number_of_classes_is_an_error() -> None:
    with pytest.raises(InputError, match="tells 3 classes apart, noise has 7"):
        evaluate(_network(classes=3), _images(), PREPROCESS)


def test_other_bad_arguments_are_errors() -> None:
    with pytest.raises(ConfigError, match="views is 3"):
        evaluate(_network(), _images(), PREPROCESS, views=3)
    with pytest.raises(ConfigError, match="batch size is 0"):
        evaluate(_network(), _images(), PREPROCESS, batch_size=0)
    elsewhere = Hardware(torch.device("meta"), torch.float32, 1)
    with pytest.raises(DeviceError, match=r"network is on cpu, images go to meta; use network.to\('meta'\)"):
        evaluate(_network(), _images(), PREPROCESS, hardware=elsewhere)


def test_batches_stay_within_memory_at_any_size() -> None:
    cpu = Hardware(torch.device("cpu"), torch.float32, 1)
    for size in (1, 8, 28, 32, 64, 224, 1000):
        for views in (1, 5, 10):
            count = images_at_once(Preprocess.plain(3, size), views, cpu)
            assert 8 <= count <= 8192
            assert count == 8 or count * views * size**2 <= 512 * 32**2


def _evaluation() -> Evaluation:
    return evaluate(_network(), _images(), PREPROCESS)


def test_mistakes_are_the_most_confident_ones_in_order() -> None:
    evaluation = _evaluation()
    wrong = []
    for index, (row, label) in enumerate(
        zip(evaluation.probabilities.tolist(), evaluation.labels.tolist(), strict=True)
    ):
        if row.index(max(row)) != label:
            wrong.append((-max(row), index, CLASSES[label], CLASSES[row.index(max(row))], row[label]))
    wrong.sort()
    found = evaluation.mistakes(10)
    assert [(-m.confidence, m.index, m.true, m.predicted, m.true_probability) for m in found] == wrong[:10]
    assert len(evaluation.mistakes(1000)) == len(wrong) == round(50 * (1 - evaluation.accuracy))
    assert evaluation.mistakes(0) == ()


def test_dictionary_is_json_and_complete(tmp_path: Path) -> None:
    evaluation = _evaluation()
    values = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert values["accuracy"] == evaluation.accuracy
    assert values["top5"] == evaluation.top5
    assert values["confusion"] == evaluation.confusion.tolist()
    assert values["per_class"][0]["name"] == CLASSES[0]
    assert len(values["reliability"]) == 15
    assert values["protocol"] == "single center crop, 14 px of short side 14, fp32"


def test_top5_is_none_with_five_classes() -> None:
    images = ImageSet(_images().pixels, _images().labels % 5, CLASSES[:5], "five")
    evaluation = evaluate(_network(classes=5), images, PREPROCESS)
    assert evaluation.top5 is None
    assert "top-5" not in str(evaluation)
    assert _evaluation().top5 is not None


def test_text_is_a_short_table_and_html_is_escaped() -> None:
    evaluation = _evaluation()
    lines = str(evaluation).splitlines()
    assert lines[0].startswith(f"accuracy {evaluation.accuracy:.4f} · top-5 ")
    assert lines[3].split() == ["class", "precision", "recall", "f1", "images"]
    assert len(lines) == 4 + len(CLASSES)
    assert "<b>x</b>" not in evaluation._repr_html_()
    assert "&lt;b&gt;x&lt;/b&gt;" in evaluation._repr_html_()


def test_text_of_a_thousand_classes_shows_the_worst() -> None:
    classes = tuple(f"class {i}" for i in range(1000))
    probabilities = torch.eye(1000)
    probabilities[7] = probabilities[8]
    evaluation = Evaluation(probabilities, torch.arange(1000), classes, 0.0, 0.0, "by hand")
    lines = str(evaluation).splitlines()
    assert len(lines) == 4 + 30 + 1
    assert lines[4].startswith("class 7 ")
    assert lines[-1] == "(30 classes of lowest f1, of 1000)"


def test_a_trained_model_its_folder_and_a_run_are_evaluated_as_its_network(tmp_path: Path) -> None:
    images = _images(side=28)
    network = create_model("lenet", num_classes=len(CLASSES), seed=1)
    trained = TrainedModel(network, CLASSES, Preprocess(1, 28, 28, (0.3,), (0.2,)))
    expected = evaluate(network, images, trained.preprocess).probabilities
    folder = save_model(tmp_path / "run" / "model", trained)
    for model in (trained, folder, str(folder), tmp_path / "run", SimpleNamespace(path=tmp_path / "run")):
        assert torch.equal(evaluate(model, images).probabilities, expected)


def test_a_bare_network_needs_its_preprocess_and_classes_must_be_the_models() -> None:
    images = _images()
    with pytest.raises(InputError, match=r"a bare Sequential does not say .* give preprocess="):
        evaluate(_network(), images)
    swapped = TrainedModel(_network(), (*CLASSES[1::-1], *CLASSES[2:]), Preprocess.plain(1, 14))
    with pytest.raises(InputError, match="noise has the class 'ankle boot' where the model has 'bag'"):
        evaluate(swapped, images)
