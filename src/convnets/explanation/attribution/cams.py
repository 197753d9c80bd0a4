"""Class activation maps: feature maps, weighted by what their gradients say.

A_k feature map k (of C) at a layer, g_k = ∂F/∂A_k, F score, h×w positions of the map. Each function gives the
signed sum, N×1×h×w; the papers' ReLU over it, which keeps what speaks for the class, is left to `Attribution`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from convnets.explanation.attribution.question import Answer, Question
from convnets.explanation.capture.capture import images_in_part
from convnets.explanation.capture.watch import watch

__all__ = ["grad_cam", "grad_cam_plus_plus", "hires_cam", "layer_cam"]

Weighing = Callable[[Tensor, Tensor], Tensor]
"""Maps n×C×h×w and gradients there → the map n×h×w."""


def grad_cam(question: Question) -> Answer:
    """Σ_k α_k A_k with α_k = mean over positions of g_k. Selvaraju et al. 2017, "Grad-CAM", arXiv:1610.02391."""
    return _weighed(question, _by_mean_gradient)


def grad_cam_plus_plus(question: Question) -> Answer:
    """Σ_k w_k A_k, w_k = Σ_ij α_kij · max(0, g_kij), α_kij = g² / (2g² + g³ · Σ_ab A_kab), 0 where g = 0.

    Chattopadhay, Sarkar, Howlader & Balasubramanian 2018, "Grad-CAM++", arXiv:1710.11063; their score is exp F, which
    multiplies every map by one positive number, left out here.
    """
    return _weighed(question, _by_higher_orders)


def hires_cam(question: Question) -> Answer:
    """Σ_k g_k ⊙ A_k: not averaged, so that a map never shows a position that the score does not depend on.

    Draelos & Carin 2020, "Use HiResCAM instead of Grad-CAM for faithful explanations", arXiv:2011.08891.
    """
    return _weighed(question, lambda maps, gradients: (maps * gradients).sum(1))


def layer_cam(question: Question) -> Answer:
    """Σ_k max(0, g_k) ⊙ A_k, which is fit for early layers too. Jiang et al. 2021, "LayerCAM", IEEE TIP 30."""
    return _weighed(question, lambda maps, gradients: (maps * gradients.clamp(min=0)).sum(1))


def _by_mean_gradient(maps: Tensor, gradients: Tensor) -> Tensor:
    return torch.einsum("nc,nchw->nhw", gradients.mean((2, 3)), maps)


def _by_higher_orders(maps: Tensor, gradients: Tensor) -> Tensor:
    squares = gradients**2
    below = 2 * squares + gradients * squares * maps.sum((2, 3), keepdim=True)
    alpha = torch.where(below != 0, squares / below, 0.0)
    return torch.einsum("nc,nchw->nhw", (alpha * gradients.clamp(min=0)).sum((2, 3)), maps)


def _weighed(question: Question, weigh: Weighing) -> Answer:
    """All layers in one pass forward and back."""
    images, layers = question.images, question.layers
    found: dict[str, list[Tensor]] = {call.name: [] for call in layers}
    size = images_in_part(question.calls, question.memory, gradients=True, layers=layers)
    with watch(question.network, layers) as watching:
        for start in range(0, len(images), size):
            places = slice(start, start + size)
            passed = watching.run(images[places], gradients=True, of_maps=True)
            with torch.enable_grad():
                gradients = passed.gradients(question.scores(passed.logits, places))
            for name, parts in found.items():
                parts.append(weigh(passed.maps[name].detach(), gradients[name])[:, None])
    empty = {call.name: images.new_empty(0, 1, *(call.shape or ())[2:]) for call in layers}
    return Answer({name: torch.cat(parts) if parts else empty[name] for name, parts in found.items()})
