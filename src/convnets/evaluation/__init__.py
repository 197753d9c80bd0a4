"""How good a network is: metrics as pure functions, `evaluate`, plots and the report.

Begin with `evaluate.py`.

Order, highest first; each imports only from below:

- precision · report
- baselines
- evaluate · evaluate_rows · mistakes · plots · vectors
- evaluation · numbers · ranking · scores
- comparison_table · distances · intervals · metrics · views
"""
