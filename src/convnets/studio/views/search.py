"""search."""

from __future__ import annotations

from fastapi import APIRouter

from convnets.studio.workplace import Workplace

__all__ = ["make_search_routes"]


def make_search_routes(place: Workplace) -> APIRouter:
    return APIRouter()
