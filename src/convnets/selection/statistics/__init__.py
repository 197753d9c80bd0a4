"""How sure a figure is: intervals, tests on pairs, and what may be ranked. Plain numbers in, plain numbers out.

Begin with `intervals.py`.
"""
