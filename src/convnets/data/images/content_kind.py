"""What a file's first bytes look like, for messages about the wrong file."""

from __future__ import annotations

__all__ = ["describe_content"]


def describe_content(raw: bytes) -> str:
    """A few words on what bytes look like: the wrong file is most often empty or a web page.

    >>> describe_content(b"<!DOCTYPE html><html></html>")
    'it is a web page of 28 bytes'
    """
    if not raw:
        return "it is empty"
    start = raw[:256].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return f"it is a web page of {len(raw):,} bytes"
    return f"{len(raw):,} bytes"
