"""field_svg: an effective receptive field as a heat map over the image, with its profile along both axes."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convnets.inspection.drawing.layout.measures import text_width
from convnets.inspection.drawing.svg import FRAME, INK, SOFT, document, path, text

__all__ = ["field_svg"]

_MARGIN, _SIDE, _PROFILE = 24.0, 336.0, 60.0
_NOTE = "Darker: more gradient (square root). Frame: {} Curves: sums down and across."
_FRAMES = {True: "all that it can see.", False: "what it can see at most."}
_STRONGEST, _STEPS = (0, 60, 110), 64


def field_svg(
    weights: NDArray[np.float64],
    box: tuple[int, int, int, int],
    title: str,
    description: str,
    *,
    exact: bool = True,
) -> str:
    """The weights of H×W pixels as a picture; `box` is first and last row, first and last column."""
    note = _NOTE.format(_FRAMES[exact])
    height, width = weights.shape
    scale = _SIDE / max(height, width)
    left, top = _MARGIN, _MARGIN + 30
    across, down = width * scale, height * scale
    picture = (
        f'<image x="{left:.1f}" y="{top:.1f}" width="{across:.1f}" height="{down:.1f}" '
        f'style="image-rendering: pixelated" href="data:image/png;base64,{_png(weights)}"/>'
    )
    first_row, last_row, first_column, last_column = box
    frame = (
        f'<rect x="{left + first_column * scale:.1f}" y="{top + first_row * scale:.1f}" '
        f'width="{(last_column - first_column + 1) * scale:.1f}" '
        f'height="{(last_row - first_row + 1) * scale:.1f}" fill="none" stroke="#d55e00" stroke-width="1.5"/>'
    )
    border = f"M{left:.1f} {top:.1f}h{across:.1f}v{down:.1f}h{-across:.1f}Z"
    elements = [
        text(_MARGIN, _MARGIN + 12, title, size=15, bold=True),
        picture,
        path(border, stroke=FRAME),
        frame,
    ]
    elements.append(_profile(weights.sum(0), left, top + down + 10, scale, down=False))
    elements.append(_profile(weights.sum(1), left + across + 10, top, scale, down=True))
    bottom = top + down + _PROFILE + 34
    elements.append(text(_MARGIN, bottom - 8, f"{height}×{width} pixels", size=11, color=INK))
    elements.append(text(_MARGIN, bottom + 10, note, size=11, color=SOFT))
    wide = max(across + _PROFILE + 20, text_width(note, 11), text_width(title, 15, bold=True))
    return document(wide + 2 * _MARGIN, bottom + 26, elements, title=title, description=description)


def _png(weights: NDArray[np.float64]) -> str:
    """White to blue in 64 steps, which keeps the file small; the root lets weak pixels show."""
    steps = np.linspace(0, 1, _STEPS)[:, None]
    palette = (255 + steps * (np.array(_STRONGEST) - 255)).round().astype(np.uint8)
    strength = np.sqrt(weights / max(float(weights.max()), 1e-300))
    picture = Image.fromarray((strength * (_STEPS - 1)).round().astype(np.uint8))
    picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", bits=6, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _profile(sums: NDArray[np.float64], x: float, y: float, scale: float, *, down: bool) -> str:
    heights = sums / max(float(sums.max()), 1e-300) * (_PROFILE - 10)
    places = (np.arange(len(sums)) + 0.5) * scale
    pairs = [(h, p) if down else (p, h) for p, h in zip(places, heights, strict=True)]
    points = " ".join(f"{x + a:.1f} {y + b:.1f}" for a, b in pairs)
    return path(f"M{points}", stroke="#0072b2")
