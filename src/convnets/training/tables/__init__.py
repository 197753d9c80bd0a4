"""Tables on the route that images take: rows as batches, the task of a run, and the closed form beside it.

Begin with `table_task.py`.
"""
