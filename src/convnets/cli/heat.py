"""Heat: a small picture in a terminal that has colors, two pixels in each letter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["heat_map", "print_heat_map"]

_COLUMNS = 32


def print_heat_map(pixels: NDArray[np.uint8]) -> bool:
    """Write uint8 H×W×3 to standard output where that is a terminal with colors; whether it was written."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal or console.color_system is None:
        return False
    console.print(heat_map(pixels), end="")
    return True


def heat_map(pixels: NDArray[np.uint8], columns: int = _COLUMNS) -> Any:
    """A `rich` text of at most `columns` letters a line: the upper half of each is one pixel, the lower the next.

    >>> import numpy as np
    >>> print(heat_map(np.zeros((4, 3, 3), dtype=np.uint8)).plain)
    ▀▀▀
    ▀▀▀
    <BLANKLINE>
    """
    from PIL import Image
    from rich.style import Style
    from rich.text import Text

    height, width = pixels.shape[:2]
    wide = min(width, columns)
    high = max(2, round(height * wide / width))
    small = Image.fromarray(pixels).resize((wide, high + high % 2), Image.Resampling.BOX)
    rows = [[_color(small.getpixel((x, y))) for x in range(wide)] for y in range(small.height)]
    text = Text(no_wrap=True)
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        for above, below in zip(upper, lower, strict=True):
            text.append("▀", Style(color=above, bgcolor=below))
        text.append("\n")
    return text


def _color(pixel: Any) -> str:
    red, green, blue = pixel
    return f"#{red:02x}{green:02x}{blue:02x}"
