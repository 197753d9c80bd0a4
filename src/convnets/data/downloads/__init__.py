"""Downloads that are whole and verified or refused: mirrors, retries, resume.

Begin with `published_file.py`, then `download.py`.
"""
