"""Drawings of networks as SVG: what is shown, where it goes, how it looks.

Begin with `draw.py`.

Order, highest first; each imports only from below:

- draw
- field_svg · graph_svg · volumes_svg
- arrange · svg · volumes
- layout · wording
"""
