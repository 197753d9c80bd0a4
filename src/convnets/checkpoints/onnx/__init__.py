"""Networks as ONNX files, answered by ONNX Runtime: of images, of rows, and a copy of a network made on the way.

Begin with `onnx_model.py`.
"""
