"""What the views show that is not in the library as it stands: facts of units, explained images, similar images.

Begin with `unit_facts.py`.
"""
