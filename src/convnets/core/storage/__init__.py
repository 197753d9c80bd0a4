"""Files that are written whole or not at all, the cache folder, and a full disk told in one line.

Begin with `files.py`.
"""
