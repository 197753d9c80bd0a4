"""Predictor: a trained model and any pictures → class names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from convnets.checkpoints.model_folder import TrainedModel
from convnets.checkpoints.model_source import open_model
from convnets.core.hardware import Hardware
from convnets.core.thread_pace import ThreadPace
from convnets.data.images.image_inputs import Picture, expand_folders, name_of, open_given
from convnets.errors import ConfigError, ImageDecodeError, ModelFolderError
from convnets.evaluation.precision import settle_precision
from convnets.evaluation.scores import check_finite, hardware_for, images_at_once, log_probabilities
from convnets.evaluation.views import preprocess_for_views
from convnets.selection.calibration.calibration import Calibration
from convnets.serving.engines import choose_engine
from convnets.serving.predictions import Prediction, Predictions
from convnets.training.objectives.embedding import check_classifies
from convnets.training.runs.run import Run

__all__ = ["Predictor"]


class Predictor:
    """Names what is on pictures of any size and mode, by the very route on which the model was evaluated.

    A picture is turned upright, brought to the model's channels, scaled by its short side and cropped at the
    center. With more views than one their probabilities are averaged (`evaluate`).

    The network is put into evaluation mode, once, so that several threads may predict at the same time.

    Args:
        trained: network, class names and preprocess.
        hardware: where and in which precision; None is the network's own device, in float32.
        views: 1, 2, 5, 6 or 10 views of each picture.
        abstain: wanted precision, such as 0.95; an answer that is not so sure becomes "don't know". Needs a model
            that `convnets calibrate` was run on, as does the next.
        coverage: name the classes among which the true one is in so many of the cases, such as 0.9, in `possible`.
        engine: what computes: `convnets`, `onnxruntime`, or `auto`, which measures both at the start
            (`choose_engine`); the attribute `engine` says which it is, and why.

    Probabilities of a calibrated model are those at its temperature.
    Raises ConfigError for other numbers of views, DeviceError when the network is elsewhere than `hardware`,
    UsageError for a model that learned vectors and no classes, and what `choose_engine` raises.

    >>> from torch import nn
    >>> from convnets.data.preprocess import Preprocess
    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    >>> trained = TrainedModel(network, ("cat", "dog"), Preprocess.plain(channels=1, size=8))
    >>> [prediction.name for prediction in Predictor(trained).predict([torch.zeros(3, 20, 30)])]
    ['picture 0']
    """

    def __init__(
        self,
        trained: TrainedModel,
        *,
        hardware: Hardware | None = None,
        views: int = 1,
        abstain: float | None = None,
        coverage: float | None = None,
        engine: str = "convnets",
    ) -> None:
        check_classifies(trained)
        self.calibration, self.coverage = Calibration.of(trained.metrics), coverage
        self._threshold = 0.0 if abstain is None else self._calibrated("abstain").threshold(abstain)
        if coverage is not None:
            self._calibrated("coverage").sets(torch.full((1, len(trained.classes)), 1.0), coverage)
        self.network = trained.network.eval()
        settled = settle_precision(hardware_for(trained.network, hardware), trained.metrics)
        answering = choose_engine(self.network, trained.preprocess, settled, engine)
        self._answering, self.hardware, self.engine = answering.network, answering.hardware, answering.engine
        self.classes, self.preprocess, self.views = trained.classes, trained.preprocess, views
        self._wide = preprocess_for_views(trained.preprocess, views)

    def __repr__(self) -> str:
        size = f"{self.preprocess.channels}×{self.preprocess.size}×{self.preprocess.size}"
        return f"Predictor({type(self.network).__name__}: {size} → {len(self.classes)} classes)"

    @classmethod
    def load(
        cls,
        folder: Run | Path | str,
        *,
        hardware: Hardware | None = None,
        views: int = 1,
        abstain: float | None = None,
        coverage: float | None = None,
        engine: str = "convnets",
    ) -> Predictor:
        """From a run, a model folder or an ONNX file; raises ModelFolderError when it is missing or damaged."""
        device = "cpu" if hardware is None else hardware.device
        trained = open_model(folder, device, only_to_ask=True)
        return cls(trained, hardware=hardware, views=views, abstain=abstain, coverage=coverage, engine=engine)

    @property
    def abstains(self) -> bool:
        """Whether an answer may be "don't know"."""
        return self._threshold > 0

    def _calibrated(self, asked: str) -> Calibration:
        if self.calibration is None:
            raise ConfigError(f"{asked} needs a calibrated model; calibrate it with: convnets calibrate RUN")
        return self.calibration

    def predict(
        self,
        pictures: Picture | Sequence[Picture],
        *,
        top: int = 5,
        skip_errors: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Predictions:
        """One prediction for each picture, in order; a folder stands for all pictures in it.

        Args:
            pictures: one picture or a list of them: files or folders, open files or their bytes, PIL pictures,
                tensors H×W or C×H×W, arrays H×W or H×W×C (uint8, or float in [0, 1]); or one tensor N×C×H×W or
                array N×H×W×C.
            top: how many classes to name for each picture; at most all are.
            skip_errors: a picture that cannot be read becomes a prediction that says why, instead of an error.
            progress: called with (pictures done, pictures in all) after each batch.

        Raises ImageDecodeError for a picture that cannot be read, InputError for a value that is no picture,
        DataError for a folder without pictures, TrainingError when the network gives NaN.
        """
        if top < 1:
            raise ConfigError(f"top is {top}; allowed: 1 or more")
        given = expand_folders(pictures)
        named = [(picture, name_of(picture, index)) for index, picture in enumerate(given)]
        size = images_at_once(self._wide, self.views, self.hardware)
        found = Predictions()
        with ThreadPoolExecutor(self.hardware.threads) as threads, ThreadPace(self.hardware) as pace:
            for start in range(0, len(named), size):
                with pace.working():
                    found.extend(self._predict_batch(named[start : start + size], top, skip_errors, threads))
                if progress is not None:
                    progress(len(found), len(named))
        return found

    def _predict_batch(
        self, named: Sequence[tuple[Picture, str]], top: int, skip_errors: bool, threads: ThreadPoolExecutor
    ) -> Iterator[Prediction]:
        decoded = list(threads.map(self._try_decode, named))
        errors = [each for each in decoded if isinstance(each, ImageDecodeError)]
        if errors and not skip_errors:
            raise errors[0]
        readable = [name for (_, name), each in zip(named, decoded, strict=True) if isinstance(each, Tensor)]
        scored = iter(self.score([each for each in decoded if isinstance(each, Tensor)], readable))
        for (_, name), each in zip(named, decoded, strict=True):
            if isinstance(each, Tensor):
                yield self.answer(name, next(scored), top)
            else:
                yield Prediction(name, None, None, error=str(each))

    def _try_decode(self, named: tuple[Picture, str]) -> Tensor | ImageDecodeError:
        try:
            return self.decode(*named)
        except ImageDecodeError as error:
            return error

    def decode(self, picture: Picture, name: str) -> Tensor:
        """uint8 C×R×R as `score` takes it. Raises ImageDecodeError, and InputError for a value that is no picture."""
        return self._wide.store(open_given(picture, name))

    def score(self, stored: Sequence[Tensor], names: Sequence[str]) -> Tensor:
        """Pictures from `decode` → probabilities N×K, calibrated where the model is; `names` are for messages."""
        if not stored:
            return torch.empty(0, len(self.classes))
        with torch.inference_mode():
            images = self._wide(torch.stack(list(stored)).to(self.hardware.device))
            scores = log_probabilities(
                self._answering, images, self.preprocess.size, self.views, self.hardware
            ).cpu()
        if scores.shape[1] != len(self.classes):
            raise ModelFolderError(
                f"the network tells {scores.shape[1]} classes apart, the model names {len(self.classes)}; "
                "they must be equal: save the model again"
            )
        check_finite(scores, f"the batch that starts with {names[0]}")
        return (scores if self.calibration is None else self.calibration.apply(scores)).exp()

    def answer(self, name: str, probabilities: Tensor, top: int = 5) -> Prediction:
        """What the probabilities K of a picture say."""
        values, places = probabilities.sort(
            descending=True, stable=True
        )  # of equal ones the first, as in evaluate
        ranked = tuple(
            (self.classes[place], value)
            for place, value in zip(places[:top].tolist(), values[:top].tolist(), strict=True)
        )
        if self.coverage is not None:
            (among,) = self._calibrated("coverage").sets(probabilities[None], self.coverage).tolist()
            order = places.tolist()
            possible = tuple(self.classes[place] for place in order if among[place])
        else:
            possible = ()
        if ranked[0][1] < self._threshold:
            return Prediction(name, None, ranked[0][1], ranked, possible=possible, abstained=True)
        return Prediction(name, ranked[0][0], ranked[0][1], ranked, possible=possible)
