"""The studio: your own runs in the browser, from the list of them down to the arithmetic of one unit.

Routes are short lists that call the library; `front/` holds the page. Begin with `app.py`, then `library.py`.

Order, highest first; each imports only from below:

- notebook
- server
- app
- views
- findings · lab
- workplace
- library
"""
