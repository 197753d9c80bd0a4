"""A trained model put to use on pictures.

Begin with `predictor.py`.
"""
