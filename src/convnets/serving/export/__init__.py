"""Trained models for other programs, checked before they are left.

Begin with `onnx_export.py`.
"""
