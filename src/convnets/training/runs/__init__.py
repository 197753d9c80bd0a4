"""Runs as folders of plain files: making one, finding them, reading them back, comparing them.

Begin with `run.py`.
"""
