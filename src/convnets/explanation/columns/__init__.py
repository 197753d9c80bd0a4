"""What a network for tables or series goes by: how much each column matters, and how the answer follows it.

Begin with `column_importance.py`.
"""
