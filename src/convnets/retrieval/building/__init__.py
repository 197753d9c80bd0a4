"""Building an index: images are listed, decoded, described, added and saved, and a killed build goes on.

Begin with `build.py`.
"""
