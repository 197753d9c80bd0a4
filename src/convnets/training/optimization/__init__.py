"""How weights change in a step: optimizers, schedules, freezing, and the guard against non-finite numbers.

Begin with `optimizers.py`.
"""
