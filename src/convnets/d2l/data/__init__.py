"""Data by the book's names: downloads, loaders, data modules.

Begin with `loaders.py`.
"""
