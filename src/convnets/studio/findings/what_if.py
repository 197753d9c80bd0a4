"""What if: a run's network, or one of the catalogue, at other sizes and with other layers, before it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from convnets.errors import ConfigError, InputError, LayerError
from convnets.inspection.cost.difference import diff
from convnets.inspection.cost.edited_network import Edit, edited_network
from convnets.inspection.cost.size_table import size_table
from convnets.inspection.cost.summary import NetworkSummary, inspect
from convnets.models.catalogue import create_model
from convnets.studio.workplace import Workplace, code

__all__ = ["what_if"]

_MOST_SIZES = 32


def what_if(place: Workplace, given: Mapping[str, Any]) -> dict[str, Any]:
    """Layers at `size`, a row for each of `sizes`, and what `edits` change.

    `given` has `run` or `network`, and where wanted `size`, `sizes` and `edits` (see `Edit`).
    """
    network, home = _network(place, given)
    channels = home[0]
    edits = [Edit.from_dict(each) for each in given.get("edits") or ()]
    size = _whole(given.get("size") or home[1], "size")
    sizes = [_whole(each, "sizes") for each in given.get("sizes") or ()]
    if len(sizes) > _MOST_SIZES:
        raise ConfigError(f"{len(sizes)} sizes; allowed: at most {_MOST_SIZES}")
    found: dict[str, Any] = {
        "size": size,
        "home": home[1],
        "code": code(_python(place, given, edits, size, sizes)),
    }
    try:
        changed = edited_network(network, edits, home) if edits else network
    except LayerError as broken:
        return {**found, "problem": str(broken), "breaks_at": broken.layer, "layers": [], "rows": []}
    rows = size_table(changed, [(channels, each, each) for each in sizes])
    found |= {"rows": rows.to_dict()["rows"], "breaks_at": None, "problem": None}
    before = inspect(network, home, training=False)
    after: NetworkSummary | None = None
    try:
        after = inspect(changed, (channels, size, size), training=False)
    except LayerError as broken:
        after = broken.partial if isinstance(broken.partial, NetworkSummary) else None
        found |= {"problem": str(broken), "breaks_at": broken.layer}
    except InputError as error:
        found |= {"problem": str(error), "breaks_at": ""}
    if after is not None:
        found |= {
            "layers": [_layer(row) for row in after.layers],
            "parameters": after.parameters,
            "macs": after.macs,
        }
    else:
        found |= {"layers": [], "parameters": None, "macs": None}
    found |= {"before": {"parameters": before.parameters, "macs": before.macs}}
    if after is not None and found["problem"] is None:
        found["changes"] = [
            {
                "change": each.change,
                "layer": (each.after or each.before).name,  # type: ignore[union-attr]
                "kind": (each.after or each.before).kind,  # type: ignore[union-attr]
                "what": list(each.what),
            }
            for each in diff(before, after).changes
        ]
    return found


def _network(place: Workplace, given: Mapping[str, Any]) -> tuple[nn.Module, tuple[int, int, int]]:
    if given.get("run"):
        model = place.library.model(str(given["run"]))
        size = model.preprocess.size
        return model.network, (model.preprocess.channels, size, size)
    network = create_model(str(given.get("network")))
    shape = inspect(network, training=False, fields=False).input_shape
    return network, (shape[-3], shape[-2], shape[-1])


def _layer(row: Any) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "settings": row.settings,
        "depth": row.depth,
        "block": row.is_block,
        "shape": None if row.output_shape is None else list(row.output_shape[1:]),
        "parameters": row.parameters,
        "macs": row.macs,
        "field": None if row.field_size is None else list(row.field_size),
        "exceeds": row.field_exceeds,
    }


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1024:
        raise ConfigError(f"{name} is {str(value)[:20]!r}; allowed: 1 to 1024 pixels")
    return value


def _python(
    place: Workplace, given: Mapping[str, Any], edits: list[Edit], size: int, sizes: list[int]
) -> str:
    if given.get("run"):
        folder = str(place.path(str(given["run"])) / "model")
        source = f"model = convnets.load_model({folder!r})\nnetwork = model.network"
    else:
        source = f"network = convnets.create_model({str(given.get('network'))!r})"
    lines = ["import convnets", source, "home = convnets.inspect(network, training=False).input_shape[-3:]"]
    if given.get("run"):
        lines[-1] = "home = (model.preprocess.channels, model.preprocess.size, model.preprocess.size)"
    if edits:
        lines.append("from convnets.inspection.cost.edited_network import Edit, edited_network")
        lines.append(f"network = edited_network(network, {edits!r}, home)")
    lines.append(f"print(convnets.inspect(network, (home[0], {size}, {size}), training=False).macs)")
    if sizes:
        lines.append("from convnets.inspection.cost.size_table import size_table")
        lines.append(f"print(size_table(network, [(home[0], side, side) for side in {sizes}]))")
    return "\n".join(lines)
