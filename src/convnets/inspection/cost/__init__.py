"""The cost of each layer: parameters, multiply-accumulates, memory; as a summary, over image sizes, as a difference.

Begin with `summary.py`.
"""
