"""TrainConfig: every option of a training run, with its unit. Reading it needs no PyTorch, so `--help` is quick."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from convnets.core.display.renderers import renderer
from convnets.core.former_names import current_names, former_attribute, takes_former_names
from convnets.errors import ConfigError, UnknownNameError
from convnets.training.options.checks import as_tuple, check_name, check_range, check_type, checked_quantiles
from convnets.training.options.objective_options import check_objective
from convnets.training.options.toml_file import ARGUMENTS, read_toml

__all__ = ["OBJECTIVES", "OPTIMIZERS", "SCHEDULES", "TrainConfig"]

OPTIMIZERS = ("sgd", "adamw", "muon")
OBJECTIVES = ("classification", "triplet", "contrastive", "multi-similarity")
LOSSES = ("squared", "absolute", "huber", "log-rmse", "pinball", "log-pinball")
EMBEDDINGS = ("own", "average", "maximum", "both", "gem")
SCHEDULES = ("constant", "step", "cosine", "one-cycle", "triangular", "linear")
# (learning rate, weight decay) where none is given; what works for most networks of the catalogue
_OPTIMIZER_DEFAULTS = {"sgd": (0.1, 5e-4), "adamw": (0.002, 0.05), "muon": (0.15, 0.0)}


@takes_former_names
@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained. Made in Python, from command-line options or from a TOML file.

    >>> TrainConfig(optimizer="sgd", epochs=5).peak_learning_rate
    0.1
    """

    epochs: int = 10
    """Passes over the training images."""
    batch_size: int = 128
    """Images per step."""
    optimizer: str = "adamw"
    """sgd, adamw or muon (orthogonal steps for convolutions, sgd for the rest)."""
    learning_rate: float | None = None
    """Highest learning rate of the schedule; by default 0.1 for sgd, 0.002 for adamw, 0.15 for muon."""
    momentum: float = 0.9
    """Momentum of sgd and muon, 0 to 1 (adamw: its first beta)."""
    nesterov: bool = True
    """Nesterov's momentum in sgd and muon, where momentum is above 0."""
    weight_decay: float | None = None
    """Decay of weights (biases and batch norm are left out); by default 5e-4 for sgd, 0.05 for adamw, 0 for muon."""
    bias_rate: float = 1.0
    """Learning rate of biases as a multiple of that of weights, such as 64 for batch norm without scales."""
    schedule: str = "one-cycle"
    """Learning rate over the run: constant, step, cosine, one-cycle, triangular or linear."""
    warmup_epochs: float = 0.0
    """Epochs of linear warm-up from zero before constant, step, cosine or linear."""
    step_epochs: tuple[int, ...] = ()
    """Epochs after which the step schedule multiplies the learning rate by step_factor; by default at 1/2 and 3/4."""
    step_factor: float = 0.1
    """Factor of each step of the step schedule."""
    label_smoothing: float = 0.0
    """Share of the target given to all classes alike, 0 to 1."""
    class_weights: str = "none"
    """none, or balanced: each image's loss counts by the inverse share of its class."""
    balanced_sampling: bool = False
    """Draw equally many images of each class in every epoch; rare ones come several times."""
    logit_adjustment: float = 0.0
    """Add this times the log of each class's share to the logits in the loss; 1 answers as for equal classes."""
    l1_penalty: float = 0.0
    """Added to the loss: this times the sum of |w| over weights."""
    l2_penalty: float = 0.0
    """Added to the loss: this / 2 times the sum of w² over weights."""
    max_norm: float | None = None
    """Hard cap: after each step the incoming weights of a unit are scaled back to at most this Euclidean norm."""
    clip_gradient_norm: float | None = None
    """Gradients are scaled back to at most this Euclidean norm over all parameters."""
    ema_decay: float | None = None
    """Average of the weights over steps with this decay, such as 0.99; validated and kept in place of the weights."""
    mixup: float = 0.0
    """Alpha of mixup's Beta distribution; 0 for none."""
    cutmix: float = 0.0
    """Alpha of CutMix's Beta distribution; 0 for none."""
    augment: tuple[str, ...] = ()
    """Augmentations in order, such as flip,crop:4,erasing."""
    auxiliary_weight: float = 0.0
    """Weight of the losses of auxiliary heads (GoogLeNet: 0.3 in the paper); 0 trains without."""
    objective: str = "classification"
    """What is minimized: classification, or a loss on vectors: triplet, contrastive or multi-similarity."""
    loss: str = "squared"
    """Of numbers: squared, absolute, huber, pinball (of quantiles); of their logarithms log-rmse, log-pinball."""
    quantiles: tuple[float, ...] = ()
    """Levels that pinball and log-pinball learn, rising, such as 0.05,0.5,0.95; by default 0.1,0.5,0.9."""
    bins: tuple[str, ...] = ()
    """Columns of a table to cut into bins: COLUMN=width:8, =frequency:8 or =clusters:8."""
    margin: float | None = None
    """Margin of triplet and contrastive, in units of the distance; by default 0.2 for triplet, 1 for contrastive."""
    distance: str = "euclidean"
    """Distance of triplet and contrastive: euclidean, squared, cosine or l1, between vectors of length 1."""
    miner: str = "semi-hard"
    """Triplets that are looked at: all, hard, semi-hard or distance-weighted."""
    images_per_class: int | None = None
    """Images of each class in a batch of vectors; by default 4, or more where the classes do not fill the batch."""
    classification_weight: float = 0.0
    """Weight of the classifier's cross-entropy beside a loss on vectors; 0 leaves the classifier untrained."""
    pooling: str = "own"
    """Vectors are the network's own embedding, or its last maps by average, maximum, both or gem (p is learned)."""
    start: str | None = None
    """Trained weights to start from: a run, a model folder, or a .safetensors or .pth file."""
    freeze: tuple[str, ...] = ()
    """Parameters that stay as they are, by name or pattern, such as stem,stage1 or 'stage[12].*'."""
    freeze_epochs: int = 0
    """First epochs in which the last layer learns alone."""
    backbone_rate: float = 1.0
    """Learning rate of all layers before the last as a share of its own, such as 0.1."""
    initializer: str | None = None
    """Initializer of convolution and linear weights, such as xavier-uniform; by default the network's own."""
    accumulate: int = 1
    """Parts that each batch is computed in, to save memory; the gradients add up to those of the whole."""
    validation: float = 0.1
    """Share of the training images (stratified) to choose the best weights by, where the data has no such part."""
    calibration: float = 0.0
    """Share of the training images to be kept from training and choosing alike, for `convnets calibrate`."""
    balanced_validation: bool = False
    """Take equally many validation images of each class."""
    patience: int | None = None
    """Stop after this many epochs without a better validation accuracy."""
    max_minutes: float | None = None
    """Budget of wall-clock minutes; the run ends within it, with the schedule fitted to it."""
    size: int | None = None
    """Side of the network's input in pixels; by default the images' own where it is near the network's, else that."""
    channels: int | None = None
    """1 (gray) or 3 (RGB); by default as the images are."""
    normalize: bool = True
    """Subtract the mean and divide by the spread of the training pixels."""
    memory_limit: float | None = None
    """GB that decoded images may take in memory; by default half of what is free. Above it they are streamed."""
    workers: int = 2
    """Processes that decode images which do not fit in memory."""
    skip_corrupt: int = 0
    """How many unreadable pictures to leave out before giving up; 0 stops at the first."""
    fast: bool = True
    """Train through fused and measured kernels on the processor; the same results up to rounding, sooner."""
    health: bool = False
    """Measure each layer's activations, gradient and update on 128 images after every epoch; a chart in the run."""
    precision: str = "auto"
    """auto, fp32 or bf16; auto takes bf16 where the device computes it natively."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    threads: int | None = None
    """Processor threads; by default the cores that this process may use."""
    save_every: str = "5 min"
    """Save the state to resume from this often inside an epoch, such as 200 (steps), 30 s or 5 min; 0 for never."""
    keep_states: int = 2
    """States that are kept, the newest ones; the best weights are kept besides."""
    save_epochs: int | None = None
    """Keep the weights at the start and after every so many epochs, to look at how they came about; by default none."""
    non_finite: str = "stop"
    """stop or skip the step when the loss or a gradient is not finite; the weights stay as before it in both."""
    deterministic: bool = False
    """The same bits on every machine of this type: deterministic algorithms, kernels not chosen by measurement."""
    sync_bn: bool = False
    """Batch norm over the images of all processes of a distributed run, not of each alone."""
    rank_timeout: float = 5.0
    """Minutes that a process of a distributed run waits for the others before it gives them up."""
    seed: int = 0
    """Seed of everything random: weights, validation split, order, augmentation, dropout."""

    def __post_init__(self) -> None:
        # a list from TOML or Python is as good as a tuple
        for name in ("augment", "step_epochs", "freeze", "bins", "quantiles"):
            object.__setattr__(self, name, as_tuple(name, getattr(self, name)))
        for field in fields(self):
            check_type(field.name, str(field.type), getattr(self, field.name))
        for name, low, high in _RANGES:
            check_range(name, getattr(self, name), low, high)
        check_name("objective", self.objective, OBJECTIVES)
        check_name("loss", self.loss, LOSSES)
        object.__setattr__(self, "quantiles", checked_quantiles(self.loss, self.quantiles))
        check_name("pooling", self.pooling, EMBEDDINGS)
        check_objective(self)
        if self.freeze_epochs > self.epochs:
            raise ConfigError(
                f"freeze_epochs is {self.freeze_epochs} of {self.epochs} epochs; allowed: at most all"
            )
        check_name("optimizer", self.optimizer, OPTIMIZERS)
        check_name("schedule", self.schedule, SCHEDULES)
        check_name("class_weights", self.class_weights, ("none", "balanced"))
        check_name("precision", self.precision, ("auto", "fp32", "bf16"))
        check_name("non_finite", self.non_finite, ("stop", "skip"))
        _ = self.save_interval
        if self.channels not in (None, 1, 3):
            raise ConfigError(f"channels is {self.channels}; allowed: 1 or 3")

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate given, or the optimizer's default."""
        return _OPTIMIZER_DEFAULTS[self.optimizer][0] if self.learning_rate is None else self.learning_rate

    @property
    def decay(self) -> float:
        """The weight decay given, or the optimizer's default."""
        return _OPTIMIZER_DEFAULTS[self.optimizer][1] if self.weight_decay is None else self.weight_decay

    @property
    def save_interval(self) -> tuple[int, float]:
        """`save_every` as steps and as seconds; one of them, or both, is 0."""
        found = _INTERVAL.fullmatch(self.save_every.strip())
        if found is None:
            remedy = "allowed: steps such as 200, or a time such as 30 s, 5 min or 1.5 h; 0 for never"
            raise ConfigError(f"save_every is {self.save_every!r}; {remedy}")
        steps, number, unit = found.groups()
        return (int(steps), 0.0) if steps else (0, float(number) * _SECONDS[unit])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON and TOML; `TrainConfig.from_dict` takes them back."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    def _repr_html_(self) -> str:
        return renderer(self, "html")(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "configuration") -> TrainConfig:
        """Build from plain values; an unknown key is refused with the nearest name."""
        values = current_names(values, where)
        names = [field.name for field in fields(cls)]
        for key in values:
            if key not in names:
                raise UnknownNameError("option", str(key), names, f"it stands in {where}")
        return cls(**values)

    @classmethod
    def from_toml(cls, path: Path | str) -> TrainConfig:
        """Build from a TOML file with one line per option, such as `epochs = 20`.

        Raises ConfigError where it has arguments of a network too, which would be lost: `options_and_arguments` of
        `training.options.toml_file` reads both.
        """
        values = read_toml(Path(path))
        if ARGUMENTS in values:
            raise ConfigError(
                f"{path} has the network's arguments too; read both with options_and_arguments(path), and pass "
                "them on: train(…, arguments=…)"
            )
        return cls.from_dict(values, str(path))

    @classmethod
    @cache
    def descriptions(cls) -> dict[str, str]:
        """What each option means: the docstrings under the fields."""
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
        body = tree.body[0].body  # type: ignore[attr-defined]
        return {
            field.target.id: ast.literal_eval(text.value)
            for field, text in pairwise(body)
            if isinstance(field, ast.AnnAssign)
            and isinstance(text, ast.Expr)
            and isinstance(field.target, ast.Name)
        }


# name, lowest, highest allowed value
_RANGES: tuple[tuple[str, float, float], ...] = (
    ("epochs", 1, 1_000_000),
    ("batch_size", 1, 1_000_000),
    ("learning_rate", 0, 1e6),
    ("momentum", 0, 0.9999),
    ("weight_decay", 0, 1e3),
    ("bias_rate", 0, 1e6),
    ("warmup_epochs", 0, 1_000_000),
    ("step_factor", 0, 1),
    ("label_smoothing", 0, 0.999),
    ("logit_adjustment", 0, 100),
    ("l1_penalty", 0, 1e3),
    ("l2_penalty", 0, 1e3),
    ("max_norm", 1e-6, 1e6),
    ("freeze_epochs", 0, 1_000_000),
    ("backbone_rate", 1e-6, 1e3),
    ("clip_gradient_norm", 1e-6, 1e6),
    ("ema_decay", 0, 0.999999),
    ("mixup", 0, 100),
    ("cutmix", 0, 100),
    ("auxiliary_weight", 0, 100),
    ("margin", 1e-6, 1e6),
    ("images_per_class", 2, 1_000_000),
    ("classification_weight", 0, 1e6),
    ("accumulate", 1, 1_000_000),
    ("validation", 0, 0.9),
    ("calibration", 0, 0.5),
    ("patience", 1, 1_000_000),
    ("max_minutes", 1e-3, 1e6),
    ("size", 1, 100_000),
    ("memory_limit", 0, 1e6),
    ("workers", 0, 1024),
    ("skip_corrupt", 0, 1_000_000_000),
    ("keep_states", 1, 1000),
    ("save_epochs", 1, 1_000_000),
    ("threads", 1, 4096),
    ("rank_timeout", 0.01, 1e5),
    ("seed", 0, 2**63 - 1),
)
_INTERVAL = re.compile(r"(\d+)|(\d+(?:\.\d+)?) ?(s|min|h)")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


__getattr__ = former_attribute(__name__, globals())
