"""The check of a data set before training: every image is read, and problems are listed.

Begin with `check.py`.
"""
