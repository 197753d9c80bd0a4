"""The model folder that every tool starts from, and the training state that a run resumes from.

Begin with `model_folder.py`.
"""
