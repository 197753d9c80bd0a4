"""TrainConfig refuses what is not allowed, and says what is."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from convnets.errors import ConfigError, UnknownNameError
from convnets.training.config import TrainConfig


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("epochs", 0, "epochs is 0; allowed: 1 to"),
        ("epochs", -1, "epochs is -1"),
        ("epochs", 1.5, "epochs is 1.5; allowed: a whole number"),
        ("epochs", float("nan"), "epochs is nan; allowed: a whole number"),
        ("epochs", True, "epochs is True; allowed: a whole number"),
        ("learning_rate", float("inf"), "learning_rate is inf; allowed: 0 to"),
        ("learning_rate", float("nan"), "learning_rate is nan"),
        ("learning_rate", "fast", "learning_rate is 'fast'; allowed: a number"),
        ("batch_size", 0, "batch_size is 0"),
        ("momentum", 1.0, "momentum is 1.0"),
        ("validation", 1.0, "validation is 1.0"),
        ("channels", 2, "channels is 2; allowed: 1 or 3"),
        ("nesterov", 1, "nesterov is 1; allowed: true or false"),
        ("step_epochs", ["a"], "step_epochs is 'a'; allowed: a whole number"),
        ("max_minutes", 0.0, "max_minutes is 0.0"),
        ("seed", -1, "seed is -1"),
    ],
)
def test_values_out_of_range_are_refused(option: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        TrainConfig.from_dict({option: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value", "nearest"),
    [("optimizer", "adam", "adamw"), ("schedule", "cos", "cosine"), ("precision", "bf61", "bf16")],
)
def test_names_are_refused_with_the_nearest(option: str, value: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=f"{value!r}; nearest: {nearest}"):
        TrainConfig.from_dict({option: value})


def test_unknown_keys_are_refused_with_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"unknown option 'learning_rat'; nearest: learning_rate; it stands in run.toml",
    ):
        TrainConfig.from_dict({"learning_rat": 1.0}, "run.toml")


def test_a_text_with_commas_is_a_list() -> None:
    assert TrainConfig.from_dict({"augment": "flip, crop:4"}).augment == ("flip", "crop:4")
    with pytest.raises(ConfigError, match="augment is 1; allowed: a list"):
        TrainConfig.from_dict({"augment": 1})


def test_it_comes_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('epochs = 3\naugment = ["flip", "crop:4"]\nlearning_rate = 1\n')
    config = TrainConfig.from_toml(path)
    assert (config.epochs, config.augment, config.learning_rate) == (3, ("flip", "crop:4"), 1)
    path.write_text("epochs = = 3")
    with pytest.raises(ConfigError, match=r"run\.toml is not TOML"):
        TrainConfig.from_toml(path)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        TrainConfig.from_toml(tmp_path / "none.toml")


def test_it_survives_plain_values() -> None:
    config = TrainConfig(epochs=2, step_epochs=(1,), augment=("flip",), ema_decay=0.9, size=32)
    assert TrainConfig.from_dict(config.to_dict()) == config


def test_every_option_is_described() -> None:
    descriptions = TrainConfig.descriptions()
    assert list(descriptions) == [field.name for field in fields(TrainConfig)]
    assert all(text.endswith(".") for text in descriptions.values())


def test_rate_and_decay_follow_the_optimizer_unless_given() -> None:
    assert (TrainConfig(optimizer="sgd").peak_learning_rate, TrainConfig(optimizer="sgd").decay) == (
        0.1,
        5e-4,
    )
    assert (TrainConfig().peak_learning_rate, TrainConfig().decay) == (0.002, 0.05)
    given = TrainConfig(optimizer="sgd", learning_rate=0.0, weight_decay=0.0)
    assert (given.peak_learning_rate, given.decay) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantiles": [0.0, 0.5]}, "quantiles are 0,0.5; allowed: above 0 and below 1, such as 0.1,0.5,0.9"),
        ({"quantiles": [0.5, 1.0]}, "quantiles are 0.5,1; allowed: above 0 and below 1"),
        ({"quantiles": [float("nan")]}, "quantiles are nan; allowed: above 0"),
        ({"quantiles": [0.9, 0.1]}, "quantiles are 0.9,0.1; allowed: each once and rising, such as 0.1,0.9"),
        ({"quantiles": [0.5, 0.5]}, "quantiles are 0.5,0.5; allowed: each once and rising, such as 0.5"),
        ({"quantiles": ["a"]}, "quantiles is 'a'; allowed: a number"),
        ({"quantiles": 0.5}, "quantiles is 0.5; allowed: a list"),
        (
            {"quantiles": [0.5], "loss": "squared"},
            "quantiles are 0.5 and loss is squared; allowed for pinball",
        ),
    ],
)
def test_quantiles_that_cannot_be_learned_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        TrainConfig.from_dict({"loss": "pinball", **options})
    assert "\n" not in str(caught.value)


def test_pinball_has_three_quantiles_unless_others_are_given() -> None:
    assert TrainConfig(loss="pinball").quantiles == (0.1, 0.5, 0.9)
    assert TrainConfig(loss="log-pinball", quantiles=(0.25,)).quantiles == (0.25,)
    assert TrainConfig().quantiles == ()
    again = TrainConfig.from_dict(TrainConfig(loss="pinball", quantiles=(0.05, 0.95)).to_dict())
    assert again.quantiles == (0.05, 0.95)
    older = {key: value for key, value in TrainConfig().to_dict().items() if key != "quantiles"}
    assert TrainConfig.from_dict(older) == TrainConfig()
