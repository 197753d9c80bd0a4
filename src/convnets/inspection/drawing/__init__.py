"""Drawings of networks as SVG: what is shown, where it goes, how it looks."""
