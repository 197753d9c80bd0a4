"""How good a network is: metrics as pure functions, `evaluate`, plots and the report.

Begin with `evaluate.py`.

Order, highest first; each imports only from below:

- precision · report
- evaluate · mistakes · plots · vectors
- evaluation · ranking · scores
- distances · intervals · metrics · views
"""
