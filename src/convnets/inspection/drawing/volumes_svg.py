"""volumes_svg: the classic picture of a convolutional network, blocks that get smaller in space, deeper in channels."""

from __future__ import annotations

from collections.abc import Sequence

from convnets.inspection.drawing.layout.measures import text_width
from convnets.inspection.drawing.svg import COLORS, INK, LINE, SOFT, document, legend, path, plain, text
from convnets.inspection.drawing.volumes import Volume
from convnets.inspection.formatting import format_shape

__all__ = ["volumes_svg"]

_MARGIN, _GAP = 24.0, 26.0
_TALLEST, _THICKEST, _LONGEST = 170.0, 80.0, 170.0
_THINNEST = 2.0
_SLANT = 0.35  # how much of a side shows in depth
_NOTE = "Height and depth of a block are in proportion to H and W, its thickness to C; a bar's height to D."


def volumes_svg(volumes: Sequence[Volume], title: str) -> str:
    """The volumes from left to right, each with its shape below and the step that made it below that."""
    scale = _Scale(volumes)
    families = sorted({v.family for v in volumes} - {"input"}, key=list(COLORS).index)
    top = _MARGIN + 62
    floor = top + scale.tallest
    x, elements = _MARGIN, []
    for number, volume in enumerate(volumes):
        words = [format_shape(volume.shape), *_words(volume)]
        room = max(text_width(words[0], 11, bold=True), *(text_width(word, 10) for word in words[1:]))
        width = scale.front(volume)[0] + scale.depth(volume)
        center = x + max(room, width) / 2
        elements += _block(volume, scale, center - width / 2, floor)
        elements.append(text(center, floor + 22, words[0], size=11, anchor="middle", bold=True))
        for line, word in enumerate(words[1:]):
            elements.append(text(center, floor + 38 + 13 * line, word, size=10, color=SOFT, anchor="middle"))
        x += max(room, width)
        if number < len(volumes) - 1:
            y = floor - 8
            elements.append(path(f"M{x + 5:.1f} {y:.1f}H{x + _GAP - 9:.1f}"))
            elements.append(path(f"M{x + _GAP - 10:.1f} {y - 3.5:.1f}l6 3.5l-6 3.5Z", fill=LINE, width=0.6))
        x += _GAP
    lines = max(len(_words(volume)) for volume in volumes)
    width = max(
        x - _GAP + _MARGIN, 2 * _MARGIN + max(text_width(_NOTE, 11), text_width(title, 16, bold=True))
    )
    signs, _ = legend(families, _MARGIN, _MARGIN + 28, width - 2 * _MARGIN)
    head = [text(_MARGIN, _MARGIN + 12, title, size=16, bold=True), *signs]
    bottom = floor + 38 + 13 * lines + 14
    said = ", ".join(f"{v.step} gives {format_shape(v.shape)}" for v in volumes[1:])
    note = text(_MARGIN, bottom, _NOTE, size=11, color=SOFT)
    return document(
        width, bottom + 16, [*head, *elements, note], title=title, description=f"From left to right: {said}."
    )


def _words(volume: Volume) -> list[str]:
    times = f" ×{volume.times}" if volume.times > 1 else ""
    return (volume.step + times).split(" ")


class _Scale:
    """How many units of the drawing a pixel, a channel and a number of a vector are."""

    def __init__(self, volumes: Sequence[Volume]) -> None:
        maps = [_sides(volume) for volume in volumes if len(volume.shape) > 1]
        self._pixel = _TALLEST / max((max(height, width) for _, height, width in maps), default=1)
        most = max((channels for channels, _, _ in maps), default=1)
        self._channel = min(_THICKEST / most, 2 * self._pixel)  # one channel is a sheet, not a block
        self._number = _LONGEST / max((v.shape[0] for v in volumes if len(v.shape) == 1), default=1)
        self.tallest = max(self.front(volume)[1] + self.depth(volume) for volume in volumes)

    def front(self, volume: Volume) -> tuple[float, float]:
        """Width and height of the side that faces the reader."""
        if len(volume.shape) == 1:
            return 8.0, max(_THINNEST, volume.shape[0] * self._number)
        channels, height, _ = _sides(volume)
        return max(_THINNEST, channels * self._channel), max(_THINNEST, height * self._pixel)

    def depth(self, volume: Volume) -> float:
        """How far a block goes to the right and up behind its front."""
        return 0.0 if len(volume.shape) == 1 else max(1.0, _sides(volume)[2] * self._pixel * _SLANT)


def _sides(volume: Volume) -> tuple[int, int, int]:
    """C, H, W; a series C×L is as high as it is long, and of a C×D×H×W volume D is left out."""
    shape = volume.shape
    return (shape[0], shape[-1], 1) if len(shape) == 2 else (shape[0], shape[-2], shape[-1])


def _block(volume: Volume, scale: _Scale, x: float, floor: float) -> list[str]:
    (width, height), depth, fill = scale.front(volume), scale.depth(volume), COLORS[volume.family]
    y = floor - height
    front = f"M{x:.1f} {y:.1f}h{width:.1f}v{height:.1f}h{-width:.1f}Z"
    upper = f"M{x:.1f} {y:.1f}l{depth:.1f} {-depth:.1f}h{width:.1f}l{-depth:.1f} {depth:.1f}Z"
    side = f"M{x + width:.1f} {y:.1f}l{depth:.1f} {-depth:.1f}v{height:.1f}l{-depth:.1f} {depth:.1f}Z"
    times = f" ×{volume.times}" if volume.times > 1 else ""
    tip = f"{volume.path}: {volume.step}{times} → {format_shape(volume.shape)}"
    faces = [
        path(face, fill=fill, stroke=INK, width=0.7) for face in ((upper, side, front) if depth else (front,))
    ]
    return [f"<g><title>{plain(tip)}</title>", *faces, "</g>"]
