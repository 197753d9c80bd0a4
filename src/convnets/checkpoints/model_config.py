"""config.json of a model folder: sealed by its own checksum, read strictly, of any format that was released."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convnets.checkpoints.migration import FORMAT_VERSION, migrate
from convnets.checkpoints.strict_json import parse_strict_json
from convnets.errors import ModelFolderError

__all__ = ["CONFIG_FILE", "WEIGHTS_FILE", "read_config", "sealed"]

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
_MAX_BYTES = 16 << 20  # twenty thousand long class names take a tenth of it
_SEAL = "sha256"


def sealed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the SHA-256 of everything else in it.

    It is taken over the content (JSON with sorted keys, no spaces, UTF-8), so that a file may be indented anew.

    >>> sealed({"classes": ["cat"]})["sha256"][:8]
    'e377fa81'
    """
    content = {key: value for key, value in config.items() if key != _SEAL}
    as_read = json.loads(
        json.dumps(content, allow_nan=False)
    )  # keys that are numbers become text, and sort as such
    text = json.dumps(as_read, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {**content, _SEAL: hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()}


def read_config(folder: Path) -> dict[str, Any]:
    """The verified configuration in `folder`, in today's format; raises ModelFolderError."""
    path = folder / CONFIG_FILE
    if folder.is_file():
        raise ModelFolderError(
            f"{folder} is a file; give the model folder that holds {CONFIG_FILE} and {WEIGHTS_FILE}"
        )
    if not path.is_file():
        found = "does not exist" if not folder.exists() else f"holds no {CONFIG_FILE}"
        if path.is_dir():
            found = f"holds a folder called {CONFIG_FILE} where a file is meant"
        within = sorted(folder.glob(f"*/{CONFIG_FILE}"), key=lambda each: each.stat().st_mtime)
        such_as = f", such as {within[-1].parent}" if within else ""
        raise ModelFolderError(f"{folder} {found}; give a run or a model folder{such_as}")
    try:
        config = parse_strict_json(_read(path))
    except ValueError as error:
        raise ModelFolderError(f"{path} is not JSON ({str(error)[:80]}); save the model again") from None
    if not isinstance(config, dict) or config.get("format") != "convnets-model":
        raise ModelFolderError(f"{path} is not the configuration of a convnets model")
    _check_version(config, path)
    _check_seal(config, path)
    return migrate(config)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read ({error.strerror}); copy the model again") from None
    if len(content) > _MAX_BYTES:
        raise ModelFolderError(f"{path} has more than {_MAX_BYTES:,} bytes, the most that is allowed")
    return content


def _check_version(config: Mapping[str, Any], path: Path) -> None:
    version = config.get("format_version")
    whole = isinstance(version, int) and not isinstance(version, bool)
    if not whole or not 1 <= version <= FORMAT_VERSION:  # type: ignore[operator]
        newer = whole and version > FORMAT_VERSION  # type: ignore[operator]
        remedy = "install a newer one" if newer else "save the model again"
        shown = f"{version!r:.40}"
        raise ModelFolderError(
            f"{path} has format version {shown}; this convnets reads 1 to {FORMAT_VERSION}; {remedy}"
        )


def _check_seal(config: Mapping[str, Any], path: Path) -> None:
    """Format 1 had no checksum; where there is one it is looked at, whatever version the file claims to have."""
    if _SEAL not in config and config["format_version"] == 1:
        return
    if config.get(_SEAL) != sealed(config)[_SEAL]:
        raise ModelFolderError(
            f"{path} is damaged: its content has not the SHA-256 that it states; copy or save the model again"
        )
