"""Receptive fields: what each unit can see of the image, by rule, and what it really uses, by gradient.

Begin with `fields.py`; each rule says what an operation does to the field.
"""
