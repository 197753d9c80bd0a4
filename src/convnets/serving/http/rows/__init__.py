"""Models of tables and series: how a request's rows are read, answered, and spoken of.

Begin with `row_model.py`.
"""
