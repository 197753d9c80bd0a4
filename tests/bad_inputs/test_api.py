"""Bad inputs in Python: an error of our tree, one line with the value found, what is allowed and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from convnets import ImageSet, Predictor, TrainConfig, TrainedModel, create_model, evaluate, load_data, train
from convnets.data.batches import Batches
from convnets.data.preprocess import Preprocess
from convnets.errors import ConvnetsError, DataError, InputError, UsageError

GRAY = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
LABELS = torch.tensor([0, 1, 0, 1])


def _network(x: torch.Tensor, name: str = "lenet", *, training: bool = False, **arguments: Any) -> Any:
    return create_model(name, **arguments).train(training)(x)


def _predict(picture: Any) -> Any:
    trained = TrainedModel(create_model("lenet"), tuple("abcdefghij"), Preprocess.plain(1, 28))
    return Predictor(trained).predict([picture])


def _evaluate_with_nan() -> Any:
    network = create_model("softmax", num_classes=2)
    with torch.no_grad():
        network.classifier.weight.fill_(float("nan"))  # type: ignore[union-attr, operator]
    images = ImageSet(GRAY, LABELS, ("a", "b"), "mine")
    return evaluate(network, images, Preprocess.plain(1, 28))


CALLS: dict[str, tuple[Callable[[], Any], type[ConvnetsError], list[str]]] = {
    "H×W": (lambda: _network(torch.zeros(28, 28)), InputError, ["28×28", "allowed: N×1×H×W", "x[None, None]"]),
    "N×H×W×C": (
        lambda: _network(torch.zeros(2, 224, 224, 3), "resnet18"), InputError, ["2×224×224×3", "permute(0, 3, 1, 2)"],
    ),
    "images N×H×W×C": (
        lambda: ImageSet(torch.zeros(4, 8, 8, 3, dtype=torch.uint8), LABELS, ("a", "b"), "x"),
        InputError, ["(4, 8, 8, 3)", "permute(0, 3, 1, 2)"],
    ),
    "uint8 where floats belong": (lambda: _network(GRAY), InputError, ["uint8", "allowed: floating point", "/ 255"]),
    "floats where uint8 belongs": (
        lambda: ImageSet(GRAY.float(), LABELS, ("a", "b"), "x"), InputError, ["float32", "allowed: uint8", "* 255"],
    ),
    "1 channel into 3": (
        lambda: _network(torch.zeros(2, 1, 224, 224), "resnet18"),
        InputError, ["N×3×H×W", "expand(-1, 3", "in_channels=1"],
    ),
    "below the smallest size": (
        lambda: _network(torch.zeros(2, 3, 20, 20), "alexnet"), InputError, ["2×3×20×20", "63 pixels", "enlarge"],
    ),
    "network smaller than it can be": (
        lambda: create_model("lenet", input_size=5), UsageError, ["input_size is 5", "at least 12 pixels"],
    ),
    "label beyond the classes": (
        lambda: ImageSet(GRAY, torch.tensor([0, 1, 2, 0]), ("a", "b"), "x"), InputError, ["label 2", "allowed: 0 to 1"],
    ),
    "label below 0": (
        lambda: ImageSet(GRAY, torch.tensor([0, 1, -1, 0]), ("a", "b"), "x"),
        InputError, ["label -1", "allowed: 0 to 1"],
    ),
    "NaN in a picture": (
        lambda: _predict(torch.full((1, 28, 28), float("nan"))), InputError, ["nan", "allowed:"],
    ),
    "NaN in the answers": (_evaluate_with_nan, ConvnetsError, ["nan for image 0 of mine", "finite"]),
    "no images": (
        lambda: ImageSet(GRAY[:0], LABELS[:0], ("a", "b"), "mine"), DataError, ["mine: no images", "at least one"],
    ),
    "batch of 1 with batch norm in training": (
        lambda: _network(torch.zeros(1, 1, 28, 28), "lenet_bn", training=True),
        InputError, ["1×1×28×28", "a batch of 2 or more", "network.eval()", "drop_last"],
    ),
    "batch size 0": (
        lambda: Batches(ImageSet(GRAY, LABELS, ("a", "b"), "x"), Preprocess.plain(1, 28), 0),
        UsageError, ["batch size is 0", "allowed: 1 or more"],
    ),
    "epochs nan": (lambda: TrainConfig(epochs=float("nan")), UsageError, ["epochs is nan", "a whole number"]),  # type: ignore[arg-type]
    "an option that is not there": (
        lambda: TrainConfig.from_dict({"epoch": 1}), UsageError, ["'epoch'", "nearest: epochs"],
    ),
    "unknown network": (lambda: create_model("resnet81"), UsageError, ["'resnet81'", "nearest: resnet"]),
    "unknown data set": (lambda: load_data("fashion-mnits"), UsageError, ["nearest: fashion-mnist"]),
    "one class to learn": (
        lambda: train("softmax", ImageSet(GRAY, LABELS * 0, ("a",), "mine"), TrainConfig(epochs=1), listeners=()),
        DataError, ["mine: one class, 'a'", "at least two"],
    ),
    "another number of classes": (
        lambda: train(create_model("softmax"), ImageSet(GRAY, LABELS, ("a", "b"), "mine"), listeners=()),
        UsageError, ["the network has 10 classes and mine has 2", "num_classes=2"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CALLS)
def test_call(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call, kind, said = CALLS[case]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert all(words in message for words in said), message
    assert list(tmp_path.iterdir()) == []
