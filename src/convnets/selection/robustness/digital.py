"""Digital: contrast, elastic, pixels, JPEG. Images are float N×C×H×W in [0, 1]; severity is 1 to 5."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from convnets.selection.robustness.random_params import RandomParams
from convnets.selection.robustness.sampling import gaussian_blur, places, sample

__all__ = ["box_resampling", "contrast", "elastic_transform", "jpeg_compression", "pixelate"]

_CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15)
# how far, how smooth, and how far three points of the image move, as shares of its side
_ELASTIC = ((0.0, 0.0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
_PIXELATE = (0.95, 0.9, 0.85, 0.75, 0.65)
_JPEG = (80, 65, 58, 50, 40)


def contrast(images: Tensor, severity: int, _: RandomParams) -> Tensor:
    """Every channel drawn to its own mean."""
    mean = images.mean((2, 3), keepdim=True)
    return (images - mean) * _CONTRAST[severity - 1] + mean


def elastic_transform(images: Tensor, severity: int, draws: RandomParams) -> Tensor:
    """Bent: three points move and take the image along, then every pixel moves a little, smoothly.

    Simard, Steinkraus & Platt 2003, "Best practices for convolutional neural networks applied to visual document
    analysis".
    """
    side = images.shape[-1]
    far, smooth, points = (side * share for share in _ELASTIC[severity - 1])
    middle, reach = side // 2, side // 3
    near, wide = middle - reach, middle + reach
    before = torch.tensor([[wide, wide], [wide, near], [near, near]], dtype=torch.float64)  # column, row
    moved = before + points * (2 * draws.uniform("elastic points", 3, 2).double() - 1)
    ones = torch.ones(len(images), 3, 1, dtype=torch.float64)
    back = torch.linalg.solve(
        torch.cat([moved, ones], 2), before.expand(len(images), -1, -1)
    ).float()  # N×3×2
    back = back.to(images.device)
    rows, columns = places(images)
    column, row = (
        columns * back[:, 0, axis].view(-1, 1, 1)
        + rows * back[:, 1, axis].view(-1, 1, 1)
        + back[:, 2, axis].view(-1, 1, 1)
        for axis in (0, 1)
    )
    bent = sample(images, row, column)
    if far == 0:
        return bent
    field = (2 * draws.uniform("elastic field", 2, *images.shape[2:]) - 1).to(images.device)
    field = far * gaussian_blur(field, smooth)
    return sample(bent, rows + field[:, 0], columns + field[:, 1])


def pixelate(images: Tensor, severity: int, _: RandomParams) -> Tensor:
    """Smaller and larger again, by boxes."""
    for axis in (2, 3):
        side = images.shape[axis]
        fewer = max(1, int(side * _PIXELATE[severity - 1]))
        matrix = box_resampling(fewer, side) @ box_resampling(side, fewer)
        images = torch.tensordot(images, matrix.to(images.device).T, ([axis], [0])).movedim(-1, axis)
    return images


def box_resampling(before: int, after: int) -> Tensor:
    """float32 `after`×`before`, or its reverse: the weights of Pillow's BOX filter from `before` to `after` pixels."""
    scale = before / after
    support = 0.5 * max(scale, 1.0)
    weights = torch.zeros(after, before)
    for place in range(after):
        center = (place + 0.5) * scale
        first, last = max(0, int(center - support + 0.5)), min(before, int(center + support + 0.5))
        for pixel in range(first, last):
            distance = (pixel - center + 0.5) / max(scale, 1.0)
            weights[place, pixel] = float(-0.5 < distance <= 0.5)
    return weights / weights.sum(1, keepdim=True)


def jpeg_compression(images: Tensor, severity: int, _: RandomParams) -> Tensor:
    """Written as a JPEG file and read back, by Pillow."""
    found = []
    for pixels in (images * 255).round().to(torch.uint8).cpu():
        array = pixels.permute(1, 2, 0).contiguous().numpy()
        buffer = io.BytesIO()
        picture = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
        picture.save(buffer, "JPEG", quality=_JPEG[severity - 1])
        again = np.array(Image.open(buffer), dtype=np.float32).reshape(array.shape)
        found.append(torch.from_numpy(again.transpose(2, 0, 1).copy()))
    return (torch.stack(found) / 255).to(images.device)
