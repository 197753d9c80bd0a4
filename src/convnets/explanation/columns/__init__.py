"""What a network for tables or series goes by: how much each column matters, how the answer follows
it, and on which rows it errs.

Begin with `column_importance.py`.
"""
