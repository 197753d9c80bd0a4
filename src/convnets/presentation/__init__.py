"""How records show themselves: text, notebook cards, pages, pictures. Records find their renderer in `table.py`.

Begin with `table.py`, then `run_html.py`.
"""
