"""Small networks for small images, which train in minutes on a processor.

Begin with `lenet_bn.py`.
"""
