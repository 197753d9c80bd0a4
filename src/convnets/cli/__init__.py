"""The command line, a thin translation: one call into the library per command.

Begin with `main.py`, then `training/train.py`.

Order, highest first; each imports only from below:

- main
- selection
- benchmarking · inspection · retrieval · serving · training
- data · explanation · given_network · placement
- numbers · output · panels
"""
