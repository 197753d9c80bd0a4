"""What a search found, with pictures: hits, pages of hits, similarity maps, near duplicates.

Begin with `hits.py`.
"""
