"""Lab."""

from __future__ import annotations

from fastapi import APIRouter

from convnets.studio.workplace import Workplace

__all__ = ["Lab", "make_lab_routes"]


class Lab:
    def close(self) -> None:
        pass


def make_lab_routes(place: Workplace) -> APIRouter:
    return APIRouter()
