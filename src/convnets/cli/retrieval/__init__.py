"""Commands that build and search indexes of images.

Begin with `index.py`.
"""
