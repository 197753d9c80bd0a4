"""What weights are before the first step: by formula, or computed from the images.

Begin with `initialize.py` (a whole network); `initializers.py` has the formula of one weight.
"""
