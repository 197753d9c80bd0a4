"""Exact search: the nearest of all vectors by matrix products, with the choice of the best fused into them.

N vectors, M queries, D numbers each, k wanted; vectors of length 1, so that the largest product is the nearest.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

__all__ = ["nearest"]

_GROUP = 32  # rows whose best product stands for all of them
_STEP = (
    2048  # rows of one product: 2 MB for 256 queries, still in the cache when its groups are looked through
)
_QUERIES = 256  # at once
_KEPT_ROWS = 65_536  # whose products are kept at once: 64 MB for 256 queries in float32, used again and again


def nearest(
    blocks: Iterable[Tensor], queries: Tensor, k: int, allowed: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Rows of the k largest products of each query, the largest first: float32 M×k and int64 M×k.

    blocks: the vectors n×D, one after another, float32 or bfloat16. allowed: bool N, rows that may be found.
    Places for which nothing is left hold −∞ and row −1. Equal products come by their rows; which of them are found,
    where there are more than places, is left open.

    The k best of n numbers lie in at most k groups of `_GROUP`, and those are the k groups with the largest
    maxima. So each step multiplies `_STEP` vectors and, while the products are in the cache, keeps each group's
    maximum: one pass in place of a partial sort of every row. Only k groups are looked at again.

    Products are rounded as their type rounds: near 1, float32 tells distances of 3·10⁻⁴ apart, bfloat16 0.09. Who needs
    more asks for more than k, and compares those by their differences.

    >>> vectors = torch.eye(4)
    >>> nearest([vectors], vectors[2:3], 1)
    (tensor([[1.]]), tensor([[2]]))
    """
    kept = list(blocks)
    parts = [_nearest(kept, some, k, allowed) for some in torch.split(queries.float(), _QUERIES)]
    if not parts:
        return torch.empty(0, k), torch.empty(0, k, dtype=torch.int64)
    return torch.cat([values for values, _ in parts]), torch.cat([rows for _, rows in parts])


def _nearest(blocks: list[Tensor], queries: Tensor, k: int, allowed: Tensor | None) -> tuple[Tensor, Tensor]:
    values = torch.full((len(queries), k), -torch.inf)
    rows = torch.full((len(queries), k), -1)
    if not blocks:
        return values, rows
    turned = queries.to(blocks[0].dtype).T.contiguous()
    most = min(_KEPT_ROWS, max(len(block) for block in blocks))
    kept = turned.new_empty(most, len(queries))
    start = 0
    for block in blocks:
        for part in torch.split(block, _KEPT_ROWS):
            mask = None if allowed is None else allowed[start : start + len(part)]
            if mask is None or bool(mask.any()):
                found_values, found_rows = _best_of(part, turned, k, mask, kept)
                found_rows = torch.where(found_rows < 0, -1, found_rows + start)
                values, rows = _better(
                    torch.cat((values, found_values), 1), torch.cat((rows, found_rows), 1), k
                )
            start += len(part)
    return values, rows


def _best_of(
    vectors: Tensor, turned: Tensor, k: int, allowed: Tensor | None, kept: Tensor
) -> tuple[Tensor, Tensor]:
    """The best of one block, in any order: float32 M×k' and int64 M×k' rows in it, k' ≤ k. turned: the queries, D×M."""
    if (
        allowed is not None and int(allowed.sum()) < len(vectors) // 8
    ):  # cheaper to copy few than to multiply all
        few = allowed.nonzero().flatten()
        values, rows = _best_of(vectors[few], turned, k, None, kept)
        return values, torch.where(rows < 0, -1, few[rows.clamp(min=0)])
    values, rows = _largest(*_products(vectors, turned, allowed, kept), k)
    return values, torch.where(values == -torch.inf, -1, rows)


def _products(vectors: Tensor, turned: Tensor, allowed: Tensor | None, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Products n×M, in the memory of `kept`, and the maximum of every group of rows ⌈n/_GROUP⌉×M."""
    count, width = len(vectors), turned.shape[1]
    products = kept[:count]
    maxima = vectors.new_empty(-(-count // _GROUP), width)
    for start in range(0, count, _STEP):
        stop = min(start + _STEP, count)
        step = products[start:stop]
        torch.mm(vectors[start:stop], turned, out=step)
        if allowed is not None:
            step.masked_fill_(~allowed[start:stop, None], -torch.inf)
        first, whole = start // _GROUP, (stop - start) // _GROUP
        if whole:
            grouped = step[: whole * _GROUP].view(whole, _GROUP, width)
            torch.amax(grouped, 1, out=maxima[first : first + whole])
        if whole * _GROUP < stop - start:
            torch.amax(step[whole * _GROUP :], 0, out=maxima[first + whole])
    return products, maxima


def _largest(products: Tensor, maxima: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """float32 M×k' and int64 M×k', unsorted: the k' ≤ k largest of each column of n×M products, by their groups."""
    count, width = products.shape
    groups = maxima.T.contiguous().topk(min(k, len(maxima)), sorted=False).indices
    rows = (groups[:, :, None] * _GROUP + torch.arange(_GROUP)).flatten(1)
    beyond = rows >= count  # the last group may be a short one
    rows.clamp_(max=count - 1)
    values = products.view(-1)[rows * width + torch.arange(width)[:, None]].float()
    values[beyond] = -torch.inf
    best = values.topk(min(k, values.shape[1]), sorted=False)
    return best.values, rows.gather(1, best.indices)


def _better(values: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of M×n candidates, the largest product first, of equal ones the lower row first."""
    order = rows.argsort(1)
    values, rows = values.gather(1, order), rows.gather(1, order)
    order = values.sort(dim=1, descending=True, stable=True).indices[:, :k]
    return values.gather(1, order), rows.gather(1, order)
