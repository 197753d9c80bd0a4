"""The report: one HTML page with all there is to say of a run.

Begin with `page.py`.
"""
