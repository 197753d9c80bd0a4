"""What is settled before the first step: the given network is tried out, its first weights are found.

Begin with `network_check.py` and `starting_weights.py`.
"""
