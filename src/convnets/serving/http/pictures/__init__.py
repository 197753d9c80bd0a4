"""Models of pictures: how a request's pictures are read, answered, and spoken of.

Begin with `picture_model.py`.
"""
