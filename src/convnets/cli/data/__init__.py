"""Commands on data sets.

Begin with `catalogue.py`.
"""
