"""Trained models for other programs, checked before they are left.

Begin with `onnx_export.py`.

Order, highest first; each imports only from below:

- hub_push
- rows
- hub_export · int8_export · pt2_export
- model_card · onnx_export · quantization
- card_results · card_training · comparison
- card_text · exported_network · front_matter
"""
