"""Models of the Hugging Face Hub: one commit, every file checked against what the Hub states, nothing executed.

A repository holds a model folder (`config.json`, `model.safetensors`) and a `README.md`, as `convnets export --to hub`
writes them. `HF_ENDPOINT` names another Hub, `HF_HOME` the cache, as for the Hub's own client.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from convnets.checkpoints.model_config import CONFIG_FILE, WEIGHTS_FILE
from convnets.checkpoints.model_folder import TrainedModel, load_model
from convnets.core.storage.files import sha256_of_file
from convnets.errors import DownloadError, ModelFolderError, UsageError

__all__ = ["HUB", "check_repository", "difference", "from_pretrained", "hub_client", "hub_errors"]

HUB = "hub"
"""Its place among the metrics of a model from the Hub: repository, commit."""
_FILES = (CONFIG_FILE, WEIGHTS_FILE)
_REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CHUNK = 1 << 20
_log = logging.getLogger(__name__)


def from_pretrained(
    repository: str,
    revision: str | None = None,
    *,
    device: torch.device | str = "cpu",
    cache: Path | str | None = None,
    token: str | None = None,
) -> TrainedModel:
    """The model `user/name` of the Hub, with its class names and preprocessing, in evaluation mode.

    Give the commit's hash as `revision`: then it is the same model for ever, and what is in the cache needs no network.
    A branch or tag moves; it is looked up, and a warning in the log says which commit it was. The commit is kept as
    `model.metrics["hub"]["commit"]`. Size and hash of each file must be those that the Hub states (SHA-256 of large
    files, Git's SHA-1 of small ones), and those that `config.json` states of itself and of the weights.

    Args:
        cache: folder of the downloads; by default the Hub client's.
        token: for a private repository; by default the one of `hf auth login`.

    Raises UsageError for a name that is none and without huggingface_hub, DownloadError where the Hub does not deliver,
    ModelFolderError where it delivers something else.

    >>> from_pretrained("lenet")
    Traceback (most recent call last):
    ...
    convnets.errors.UsageError: repository 'lenet'; allowed: user/name, of letters, digits, '-', '_' and '.'
    """
    check_repository(repository)
    client = hub_client(token)
    pinned = revision is not None and _COMMIT.fullmatch(revision) is not None
    cached = _cached(client, repository, revision, cache) if pinned else None
    if cached is not None:
        commit, folder = str(revision), cached
    else:
        commit = _commit(client, repository, revision)
        folder = _download(client, repository, commit, cache)
        if not pinned:
            _log.warning(
                "%s: %s is commit %s now; pin it with revision=%r",
                repository,
                "the newest" if revision is None else revision,
                commit,
                commit,
            )
    model = load_model(folder, device)
    model.metrics[HUB] = {"repository": repository, "commit": commit}
    return model


def check_repository(name: str) -> None:
    """Raise UsageError unless `name` is `user/name` as the Hub allows it."""
    if not _REPOSITORY.fullmatch(name) or ".." in name or "--" in name:
        raise UsageError(
            f"repository {name[:120]!r}; allowed: user/name, of letters, digits, '-', '_' and '.'"
        )


def hub_client(token: str | None = None) -> Any:
    """The Hub's own client; raises UsageError where it is not installed."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise UsageError("the Hub needs huggingface_hub; install it with: pip install 'convnets[hub]'")
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None, token=token, library_name="convnets")


@contextmanager
def hub_errors(repository: str) -> Iterator[None]:
    """What the client raises, as one line of ours; its family of errors is that of its HTTP library."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        from huggingface_hub import errors

        cause = "" if error.__cause__ is None else f" ({error.__cause__})"
        line = " ".join(f"{error}{cause}".split())[:200]
        if isinstance(error, errors.GatedRepoError):
            line = "its owner must grant access; ask on its page, then log in with: hf auth login"
        elif isinstance(error, errors.RepositoryNotFoundError):
            line = "not found on the Hub; check the name, or log in with: hf auth login, if it is private"
        elif isinstance(error, errors.RevisionNotFoundError):
            line = "has no such revision; give a commit, a branch or a tag"
        raise DownloadError(f"{repository}: {line}") from None


def _commit(client: Any, repository: str, revision: str | None) -> str:
    with hub_errors(repository):
        commit = client.model_info(repository, revision=revision).sha
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise DownloadError(f"{repository}: the Hub names no commit for it ({commit!r:.60}); try again later")
    return commit


def _cached(client: Any, repository: str, commit: str | None, cache: Path | str | None) -> Path | None:
    """The folder in the cache, where it holds every file of the commit; they were checked when they came."""
    from huggingface_hub import errors

    try:
        paths = [
            client.hf_hub_download(repository, name, revision=commit, cache_dir=cache, local_files_only=True)
            for name in _FILES
        ]
    except errors.LocalEntryNotFoundError:
        return None
    return Path(paths[0]).parent


def _download(client: Any, repository: str, commit: str, cache: Path | str | None) -> Path:
    with hub_errors(repository):
        stated = {
            each.path: each for each in client.get_paths_info(repository, list(_FILES), revision=commit)
        }
    lacking = [name for name in _FILES if name not in stated]
    if lacking:
        raise ModelFolderError(
            f"{repository} at {commit[:12]} has no {' and no '.join(lacking)}: it is no model of convnets; such a "
            "one is written by convnets export --to hub"
        )
    for name in _FILES:
        for again in (False, True):  # what lies in the cache may be what an earlier client left half
            with hub_errors(repository):
                path = Path(
                    client.hf_hub_download(
                        repository, name, revision=commit, cache_dir=cache, force_download=again
                    )
                )
            fault = difference(path, stated[name])
            if fault is None:
                break
        else:
            path.unlink()
            raise ModelFolderError(f"{repository} at {commit[:12]}: {name} {fault}; try again later")
    return path.parent


def difference(path: Path, stated: Any) -> str | None:
    """How a file differs from what the Hub states of it (`RepoFile`); None where it does not."""
    size = path.stat().st_size
    if size != stated.size:
        return f"has {size:,} bytes, the Hub states {stated.size:,}"
    if stated.lfs is not None:
        kind, found, wanted = "SHA-256", sha256_of_file(path), stated.lfs.sha256
    else:
        kind, found, wanted = "Git's SHA-1", _git_hash(path, size), stated.blob_id
    return None if found == wanted else f"has {kind} {found[:12]}…, the Hub states {str(wanted)[:12]}…"


def _git_hash(path: Path, size: int) -> str:
    """SHA-1 of `blob SIZE`, a zero byte and the content: what Git calls a file."""
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
