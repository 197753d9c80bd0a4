"""Indexes of vectors: exact, FAISS, Qdrant, all with one interface (`retrieval/index.py`).

Begin with `exact_index.py`; `engines.py` finds a backend by name.
"""
