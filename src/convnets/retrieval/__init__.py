"""Images as vectors, an index of them, and the images that are near.

Begin with `image_index.py`.

Order, highest first; each imports only from below:

- evaluation
- image_index
- results
- building
- backends
- storage
- index
- hit · metadata_filter
- descriptors · entries
"""
