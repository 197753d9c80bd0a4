"""The public names and the commands, frozen: changing them is a decision, not an accident."""

from __future__ import annotations

from dataclasses import fields

import convnets
from convnets.training.config import TrainConfig

NAMES = [
    "Batches",
    "Descriptor",
    "Evaluation",
    "ImageIndex",
    "ImageSet",
    "Predictor",
    "Preprocess",
    "Run",
    "Splits",
    "TablePredictor",
    "TableSet",
    "TrainConfig",
    "TrainedModel",
    "TripletLoss",
    "check_data",
    "create_model",
    "cross_validate",
    "d2l",
    "describe",
    "diff",
    "draw",
    "effective_field",
    "errors",
    "evaluate",
    "evaluate_retrieval",
    "explain",
    "find_label_errors",
    "fit_linear",
    "freeze",
    "get_recipe",
    "inspect",
    "layers",
    "list_data",
    "list_models",
    "list_parameters",
    "list_recipes",
    "load_data",
    "load_model",
    "load_table",
    "load_table_model",
    "load_torchvision_state_dict",
    "measure_health",
    "receptive_fields",
    "replicate",
    "reproduce",
    "resume",
    "save_model",
    "slice_network",
    "train",
    "tune",
    "unfreeze",
]
OPTIONS = [
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "momentum",
    "nesterov",
    "weight_decay",
    "bias_rate",
    "schedule",
    "warmup_epochs",
    "step_epochs",
    "step_factor",
    "label_smoothing",
    "l1_penalty",
    "l2_penalty",
    "max_norm",
    "clip_gradient_norm",
    "ema_decay",
    "mixup",
    "cutmix",
    "augment",
    "auxiliary_weight",
    "objective",
    "loss",
    "bins",
    "margin",
    "distance",
    "miner",
    "images_per_class",
    "classification_weight",
    "pooling",
    "start",
    "freeze",
    "freeze_epochs",
    "backbone_rate",
    "initializer",
    "accumulate",
    "validation",
    "calibration",
    "balanced_validation",
    "patience",
    "max_minutes",
    "size",
    "channels",
    "normalize",
    "memory_limit",
    "workers",
    "skip_corrupt",
    "fast",
    "health",
    "precision",
    "device",
    "threads",
    "save_every",
    "keep_states",
    "save_epochs",
    "non_finite",
    "deterministic",
    "sync_bn",
    "rank_timeout",
    "seed",
]


def test_public_names() -> None:
    assert sorted(convnets.__all__) == NAMES
    for name in NAMES:
        assert getattr(convnets, name) is not None
    assert set(NAMES) <= set(dir(convnets))


def test_options_of_a_run() -> None:
    assert [field.name for field in fields(TrainConfig)] == OPTIONS


def test_commands() -> None:
    from typer.main import get_command

    from convnets.cli.main import app

    command = get_command(app)
    assert sorted(command.commands) == [  # type: ignore[attr-defined]
        "ablate",
        "bench",
        "calibrate",
        "compare",
        "cross-validate",
        "data",
        "diff",
        "draw",
        "embed-map",
        "evaluate",
        "explain",
        "export",
        "features",
        "field",
        "filters",
        "health",
        "index",
        "label-errors",
        "learning-curve",
        "lr-find",
        "models",
        "patches",
        "predict",
        "recipes",
        "replicate",
        "reproduce",
        "runs",
        "scatter",
        "serve",
        "study",
        "summary",
        "train",
        "tune",
    ]
    assert sorted(command.commands["data"].commands) == ["check", "download", "list", "show"]  # type: ignore[attr-defined]
    assert sorted(command.commands["index"].commands) == [  # type: ignore[attr-defined]
        "add",
        "build",
        "evaluate",
        "near-duplicates",
        "remove",
        "search",
        "stats",
    ]
