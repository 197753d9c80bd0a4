"""HTML, once: one style, and the pieces that notebook cards and pages are put together from.

Begin with `kit.py`; `kit.jinja` has the markup and `kit.css` the style.
"""
