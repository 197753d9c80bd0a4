"""Text and HTML for people: safe text, aligned tables, notebook cards, a picture that is updated in place.

Begin with `text_table.py`.
"""
