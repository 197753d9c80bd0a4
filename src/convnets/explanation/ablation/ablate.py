"""Ablate: switch parts of a network off, one after the other, and measure what that costs. N images, K classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convnets.data.batches import Batches
from convnets.data.image_set import ImageSet
from convnets.data.preprocess import Preprocess
from convnets.errors import InputError
from convnets.evaluation.scores import hardware_for, images_at_once
from convnets.explanation.ablation.ablation import Ablation, effect_of
from convnets.explanation.ablation.parts import Part, channels_of
from convnets.explanation.ablation.shared_start import SharedStart
from convnets.explanation.ablation.switch import Switch, make_switch
from convnets.explanation.capture.calls import Calls, LayerCall, find_calls
from convnets.explanation.capture.capture import plain_network
from convnets.explanation.capture.layers import choose_layers
from convnets.explanation.capture.watch import Change, Watch, watch

__all__ = ["ablate", "ablate_channels", "ablate_groups"]

# groups of parts; with fewer, the pass that proves the shared start right is most of what it saves
_WORTH_SHARING = 3


def ablate(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    parts: Sequence[Part],
    *,
    how: str = "zero",
    together: bool = False,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Ablation:
    """Switch each of `parts` off and ask the network for every image again.

    Args:
        network: in evaluation mode meanwhile, its weights untouched; it is left as found.
        images: labeled ones that it was not trained on, such as the validation images.
        parts: what to switch off; `together` switches all of them off at once, which gives one effect.
        how: zero, mean (of the same channel, over images and positions) or resample (what the channel has in another
            image; Chan et al. 2022, "Causal scrubbing"): zeros may be far from what the next layer ever gets.
        progress: called with (passes done, passes in all).

    Raises UnknownNameError for a layer or way that is not there, InputError for channels that are not, and where means
    or other images' values are asked for and there is only one image.

    >>> from convnets.data.sources import load_data
    >>> from convnets.models.catalogue import create_model
    >>> images = load_data("digits").train.subset(range(30))
    >>> network = create_model("lenet_bn", in_channels=1, num_classes=10, seed=0)
    >>> found = ablate(network, images, Preprocess.plain(1, 28), [Part("convolutions.0", (2,))])
    >>> len(found.effects), found.images
    (1, 30)
    """
    if not parts:
        raise InputError("no parts to switch off; give at least one, such as Part('stage2.0.bn2')")
    groups = [list(parts)] if together else [[part] for part in parts]
    return ablate_groups(network, images, preprocess, groups, how=how, seed=seed, progress=progress)


def ablate_groups(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    groups: Sequence[Sequence[Part]],
    *,
    how: str = "zero",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Ablation:
    """`ablate` with the parts of each group switched off together: one effect for each group."""
    parts = list(dict.fromkeys(part for group in groups for part in group))
    plain = plain_network(network)
    hardware = hardware_for(plain, None)
    batches = Batches(images, preprocess, images_at_once(preprocess, 1, hardware), device=hardware.device)
    calls = find_calls(plain, next(iter(batches.epoch())).images[:1])
    targets = {part: _checked(calls, part) for part in parts}
    switches = {
        layer: make_switch(how, plain, layer, images, preprocess, seed=seed)
        for layer in dict.fromkeys(call.name for call in targets.values())
    }
    before, after = _answered(plain, batches, groups, targets, switches, progress)
    effects = [
        effect_of(tuple(group), before.values(), answers.values(), images)
        for group, answers in zip(groups, after, strict=True)
    ]
    return Ablation(tuple(effects), how, type(plain).__name__, images.source, len(images), images.classes)


def ablate_channels(
    network: nn.Module,
    images: ImageSet,
    preprocess: Preprocess,
    layer: str,
    *,
    how: str = "zero",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Ablation:
    """Each channel of `layer` switched off by itself: `Ablation.ranked` is the order of their importance."""
    plain = plain_network(network)
    batches = Batches(images.subset([0]), preprocess, 1, device=hardware_for(plain, None).device)
    call = _call(find_calls(plain, next(iter(batches.epoch())).images), layer)
    assert call.shape is not None
    parts = channels_of(layer, call.shape[1])
    return ablate(plain, images, preprocess, parts, how=how, seed=seed, progress=progress)


def _call(calls: Calls, layer: str) -> LayerCall:
    call = choose_layers(calls, [layer])[0]
    if call.shape is None or len(call.shape) not in (2, 4):
        raise InputError(f"{layer} gives {call.shape}; allowed: maps N×C×H×W or vectors N×D")
    return call


def _checked(calls: Calls, part: Part) -> LayerCall:
    call = _call(calls, part.layer)
    assert call.shape is not None
    wrong = [channel for channel in part.channels or () if not 0 <= channel < call.shape[1]]
    if wrong:
        raise InputError(f"channel {wrong[0]} of {part.layer}; it has channels 0 to {call.shape[1] - 1}")
    return call


def _changes(
    group: Sequence[Part], targets: dict[Part, LayerCall], switches: dict[str, Switch], start: int
) -> dict[LayerCall, Change]:
    by_call: dict[LayerCall, list[Change]] = {}
    for part in group:
        call = targets[part]
        by_call.setdefault(call, []).append(switches[call.name].change(part, start))
    return {call: _in_turn(changes) for call, changes in by_call.items()}


def _in_turn(changes: Sequence[Change]) -> Change:
    def change(output: Tensor) -> Tensor:
        for each in changes:
            output = each(output)
        return output

    return change


@dataclass(eq=False)
class _Answers:
    """What was answered so far, image by image."""

    predicted: list[Tensor] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)
    probabilities: list[Tensor] = field(default_factory=list)

    def add(self, logits: Tensor, targets: Tensor) -> None:
        """Logits n×K of the next images, and their classes."""
        targets = targets.cpu()
        self.predicted.append(logits.argmax(1))
        self.losses.append(F.cross_entropy(logits.double(), targets, reduction="none"))
        self.probabilities.append(logits.double().softmax(1).gather(1, targets[:, None])[:, 0])

    def values(self) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted classes, losses and probabilities of the true class: N each."""
        return torch.cat(self.predicted), torch.cat(self.losses), torch.cat(self.probabilities)


def _answered(
    network: nn.Module,
    batches: Batches,
    groups: Sequence[Sequence[Part]],
    targets: dict[Part, LayerCall],
    switches: dict[str, Switch],
    progress: Callable[[int, int], None] | None,
) -> tuple[_Answers, list[_Answers]]:
    """The answers of the whole network, and without each group of parts."""
    before, after = _Answers(), [_Answers() for _ in groups]
    start, done, passes = 0, 0, len(batches) * (len(groups) + 1)
    calls = dict.fromkeys(targets.values())
    with watch(network, changes={call: _in_turn(()) for call in calls}) as watching:
        shared = (
            SharedStart(network, {call.path for call in calls}) if len(groups) >= _WORTH_SHARING else None
        )
        for batch in batches.epoch():
            whole = _logits(watching, batch.images, {}, shared, again=False)
            before.add(whole, batch.targets)
            if shared is not None and not torch.equal(
                whole, _logits(watching, batch.images, {}, shared, again=True)
            ):
                shared = None  # what is random or remembers is computed anew each time
            for group, answers in zip(groups, after, strict=True):
                changes = _changes(group, targets, switches, start)
                answers.add(_logits(watching, batch.images, changes, shared, again=True), batch.targets)
                done += 1
                if progress is not None:
                    progress(done, passes)
            start += len(batch.targets)
    return before, after


def _logits(
    watching: Watch,
    images: Tensor,
    changes: dict[LayerCall, Change],
    shared: SharedStart | None,
    *,
    again: bool,
) -> Tensor:
    def run() -> Tensor:
        return watching.run(images).logits.detach().float().cpu()

    watching.changes = changes
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):  # each pass draws the same where a network draws
        return run() if shared is None else shared.run(run, again=again)
