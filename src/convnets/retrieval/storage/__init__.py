"""The folder that an index is kept in: a manifest, segments of vectors and entries.

Begin with `index_folder.py`.
"""
