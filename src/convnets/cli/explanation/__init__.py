"""Commands that show what a trained network sees.

Begin with `features.py`; `pictured.py` holds what they share.
"""
