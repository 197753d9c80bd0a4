"""Which kernel is fastest here: measured once for each shape on this machine, checked first, remembered in a file.

Begin with `tuner.py`.
"""
