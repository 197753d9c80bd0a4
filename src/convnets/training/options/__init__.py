"""What options of a run may be, and TOML files of them; nothing here needs PyTorch.

Begin with `checks.py`.
"""
