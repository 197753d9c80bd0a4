"""The networks, one architecture per file, and the catalogue that builds them by name.

Begin with `contract.py`, then `papers/lenet.py`.

Order, highest first; each imports only from below:

- outgoing_weights · weight_fitting
- book · compact · ends · torchvision_weights
- catalogue · papers
- contract
- input_faults
- answers · architecture · entries · input_sizes · stage · widths
"""
