"""The colors of every plot."""

__all__ = ["BLUE", "GRID", "INK", "LINE_COLORS", "ORANGE"]

# Okabe & Ito 2008, "Color Universal Design": a pair that every kind of color vision tells apart
BLUE, ORANGE = "#0072b2", "#d55e00"
LINE_COLORS = (BLUE, ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
INK, GRID = "#57606a", "#d8dee4"
