"""Pushing a model to the Hugging Face Hub: one commit with the files that `export_hub` writes, checked afterwards."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convnets.checkpoints.hub_model import check_repository, difference, hub_client, hub_errors
from convnets.checkpoints.model_config import CONFIG_FILE, WEIGHTS_FILE
from convnets.checkpoints.model_folder import load_model
from convnets.checkpoints.table_model import load_table_model
from convnets.errors import DownloadError
from convnets.serving.export.hub_export import CARD_FILE, export_hub
from convnets.serving.export.rows.rows_hub import export_rows_hub
from convnets.serving.table_predictor import is_for_tables
from convnets.training.runs.run import Run

__all__ = ["HubPush", "push_to_hub"]

_FILES = (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE)


@dataclass(frozen=True)
class HubPush:
    """Where a model lies on the Hub."""

    repository: str
    commit: str
    """What `from_pretrained(repository, revision=commit)` takes."""
    url: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def push_to_hub(
    source: Run | Path | str,
    repository: str,
    *,
    private: bool = True,
    branch: str | None = None,
    message: str = "Model trained with convnets",
    license: str | None = None,
    token: str | None = None,
) -> HubPush:
    """Push a run, a model folder, or what `export_hub` wrote, to `user/name` in one commit.

    A folder that has a `README.md` goes as it is, so that you can edit the card first; of anything else the card is
    made now. A repository that is not there is made, and only you see it until you make it public on its page, or say
    `private=False`; one that is there stays as open as it is. What the Hub then states of the files is compared with
    them.

    Args:
        branch: by default `main`; another one must be there.
        license: for a card that is made now, as in `export_hub`.
        token: that may write; by default the one of `hf auth login`.

    Raises UsageError for a name that is none and without huggingface_hub, DownloadError where the Hub refuses or states
    other hashes, ModelFolderError for a damaged folder.

    >>> push_to_hub("runs/digits", "digits")
    Traceback (most recent call last):
    ...
    convnets.errors.UsageError: repository 'digits'; allowed: user/name, of letters, digits, '-', '_' and '.'
    """
    check_repository(repository)
    client = hub_client(token)
    path = source.path if isinstance(source, Run) else Path(source)
    if all((path / name).is_file() for name in _FILES):
        (load_table_model if is_for_tables(path) else load_model)(path)
        return _push(client, path, repository, private, branch, message)
    with tempfile.TemporaryDirectory() as folder:
        write = export_rows_hub if is_for_tables(path) else export_hub
        write(source, folder, repository=repository, license=license)
        return _push(client, Path(folder), repository, private, branch, message)


def _push(
    client: Any, folder: Path, repository: str, private: bool, branch: str | None, message: str
) -> HubPush:
    from huggingface_hub import CommitOperationAdd

    files = [CommitOperationAdd(name, str(folder / name)) for name in _FILES]
    with hub_errors(repository):
        client.create_repo(repository, private=private, exist_ok=True)
        made = client.create_commit(repository, files, commit_message=message, revision=branch)
        stated = {
            each.path: each for each in client.get_paths_info(repository, list(_FILES), revision=made.oid)
        }
    for name in _FILES:
        fault = difference(folder / name, stated[name]) if name in stated else "is missing"
        if fault is not None:
            raise DownloadError(f"{repository} at {made.oid[:12]}: {name} {fault}; push it again")
    return HubPush(repository, made.oid, f"{client.endpoint}/{repository}/tree/{made.oid}")
