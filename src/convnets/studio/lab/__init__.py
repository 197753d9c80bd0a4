"""The lab's experiments: small networks on the digits, two at a time, and questions about them.

Begin with `experiment.py`.
"""
