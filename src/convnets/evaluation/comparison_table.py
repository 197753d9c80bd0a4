"""A table of figures by model: a network beside simple models, the best of each column marked."""

from __future__ import annotations

from convnets.core.display.text_table import aligned

__all__ = ["compare_baselines"]


_NO_BEST = ("coverage", "width")  # an interval is to hold the share that is meant, and not to be narrow alone


def compare_baselines(network: str, figures: dict[str, dict[str, float | None]]) -> str:
    """A table of figures by model, the best of each column marked, and a word where the network is not the best.

    >>> print(compare_baselines("mlp", {"mlp": {"rmse": 2.0}, "mean": {"rmse": 3.0}}))
    model  RMSE
    mlp    2 ★
    mean   3
    """
    names = {"accuracy": "accuracy", "loss": "loss", "pinball": "pinball", "r1": "R¹", "coverage": "covered"}
    names |= {"width": "width", "rmse": "RMSE", "mae": "MAE", "r2": "R²", "log_rmse": "log-RMSE"}
    keys = [key for key in names if all(row.get(key) is not None for row in figures.values())]
    better = {key: max if key in ("accuracy", "r1", "r2") else min for key in keys if key not in _NO_BEST}
    best = {key: way(row[key] or 0.0 for row in figures.values()) for key, way in better.items()}
    rows = [
        (name, *(f"{row[key]:.5g}" + " ★" * (row[key] == best.get(key)) for key in keys))
        for name, row in figures.items()
    ]
    lines = [aligned(("model", *(names[key] for key in keys)), rows)]
    first = next(iter(keys), None)
    if first is not None and figures[network][first] != best[first]:
        winner = next(name for name, row in figures.items() if row[first] == best[first])
        lines.append(f"{winner} does better than {network} here: use it, or say why not")
    return "\n".join(lines)
