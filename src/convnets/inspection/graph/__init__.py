"""The graph of what a network computes: operations and the tensors between them.

Begin with `network_graph.py` (the record), then `trace.py` (how it is found).
"""
