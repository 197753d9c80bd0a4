"""Images in files: found in folders and zips, opened whatever their kind, made upright gray or RGB, shown small.

Begin with `opening.py`.
"""
