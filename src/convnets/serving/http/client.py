"""Client: asks a server of `convnets serve` from Python, at once or asynchronously."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import requests
from numpy.typing import ArrayLike, NDArray

from convnets.errors import ConvnetsError, DataError, InputError
from convnets.serving.predictions import Prediction, Predictions
from convnets.serving.table_predictor import RowPrediction

__all__ = ["AsyncClient", "Client"]

_RETRIES = 5
Sendable = str | Path | bytes
Rows = Sequence[Mapping[str, Any]] | str | Path | Any
"""Objects of columns by name, the path of a CSV file, or a DataFrame."""


class Client:
    """Asks a server.

    Args:
        url: such as http://localhost:8000.
        token: where the server wants one.
        model: which of its models; None is the first.
        seconds: to wait for an answer.

    A full server (503) is asked again after the time that it names, five times. Errors are the library's: InputError
    for what cannot be answered, DataError where the server cannot be reached or fails.

    >>> Client("http://localhost:8000", model="lenet")
    Client('http://localhost:8000', model='lenet')
    """

    def __init__(
        self, url: str, *, token: str | None = None, model: str | None = None, seconds: float = 30.0
    ) -> None:
        self.url, self.model, self.seconds = url.rstrip("/"), model, seconds
        self._session = requests.Session()
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __repr__(self) -> str:
        return f"Client({self.url!r}, model={self.model!r})"

    def predict(self, pictures: Sendable | Sequence[Sendable], *, top: int = 5) -> Predictions:
        """A prediction for each picture: files, or their bytes."""
        found = self._ask("/predict", pictures, top=top)["predictions"]
        return Predictions(_prediction(each) for each in found)

    def predict_rows(
        self, rows: Rows, *, top: int = 5, new_categories: str = "refuse"
    ) -> list[RowPrediction]:
        """A prediction for each row: objects of columns by name, a DataFrame, or the path of a CSV file.

        None and NaN are missing values. new_categories: `other` has a category that was never learned answered as an
        unknown one; otherwise it is refused.
        """
        kind, body = _row_body(rows)
        return self._ask_rows(kind, body, top=top, new_categories=new_categories)

    def predict_series(self, series: ArrayLike, *, top: int = 5) -> list[RowPrediction]:
        """A prediction for each series: an array N×C×L, or N×L of one channel."""
        content = io.BytesIO()
        np.save(content, np.asarray(series, dtype=np.float64), allow_pickle=False)
        return self._ask_rows("application/x-npy", content.getvalue(), top=top)

    def _ask_rows(self, kind: str, body: bytes, **options: Any) -> list[RowPrediction]:
        if self.model is not None:
            options["model"] = self.model
        headers = {"Content-Type": kind}
        found = self._send("POST", "/predict", data=body, headers=headers, params=options)["predictions"]
        return [
            RowPrediction(
                each["row"],
                each["values"],
                each.get("confidence"),
                tuple((one["class"], one["probability"]) for one in each.get("top", ())),
            )
            for each in found
        ]

    def embed(self, pictures: Sendable | Sequence[Sendable]) -> NDArray[np.float32]:
        """float32 N×D, vectors of length 1."""
        return np.array(self._ask("/embed", pictures)["vectors"], dtype=np.float32)

    def explain(self, pictures: Sendable | Sequence[Sendable], **options: Any) -> list[dict[str, Any]]:
        """Maps as `POST /explain` gives them; options: method, target, contrast."""
        found: list[dict[str, Any]] = self._ask("/explain", pictures, **options)["explanations"]
        return found

    def search(self, pictures: Sendable | Sequence[Sendable], *, k: int = 10) -> list[list[dict[str, Any]]]:
        """The k nearest images of the server's index, for each picture."""
        found: list[list[dict[str, Any]]] = self._ask("/search", pictures, k=k)["hits"]
        return found

    def models(self) -> list[dict[str, Any]]:
        """What is served."""
        found: list[dict[str, Any]] = self._send("GET", "/models")["models"]
        return found

    def _ask(self, path: str, pictures: Sendable | Sequence[Sendable], **options: Any) -> Any:
        given = [pictures] if isinstance(pictures, str | Path | bytes) else list(pictures)
        files = [("pictures", _file(each, place)) for place, each in enumerate(given)]
        if self.model is not None:
            options["model"] = self.model
        return self._send("POST", path, files=files, params=options)

    def _send(self, verb: str, path: str, **content: Any) -> Any:
        for attempt in range(_RETRIES + 1):
            try:
                answer = self._session.request(verb, self.url + path, timeout=self.seconds, **content)
            except requests.RequestException as error:
                raise DataError(
                    f"{self.url} cannot be reached ({type(error).__name__}); is the server running?"
                ) from None
            if answer.status_code != 503 or attempt == _RETRIES:
                break
            time.sleep(float(answer.headers.get("Retry-After", 1)))
        if answer.ok:
            return answer.json()
        try:
            line = str(answer.json()["error"])
        except (ValueError, KeyError, TypeError):
            line = answer.text[:200]
        kind: type[ConvnetsError] = InputError if answer.status_code < 500 else DataError
        raise kind(f"{self.url} answered {answer.status_code}: {line}")


class AsyncClient:
    """The same with `await`: each call waits in a thread, so that many go on side by side."""

    def __init__(
        self, url: str, *, token: str | None = None, model: str | None = None, seconds: float = 30.0
    ) -> None:
        self._client = Client(url, token=token, model=model, seconds=seconds)

    async def predict(self, pictures: Sendable | Sequence[Sendable], *, top: int = 5) -> Predictions:
        """See `Client.predict`."""
        return await asyncio.to_thread(self._client.predict, pictures, top=top)

    async def predict_rows(
        self, rows: Rows, *, top: int = 5, new_categories: str = "refuse"
    ) -> list[RowPrediction]:
        """See `Client.predict_rows`."""
        return await asyncio.to_thread(
            self._client.predict_rows, rows, top=top, new_categories=new_categories
        )

    async def predict_series(self, series: ArrayLike, *, top: int = 5) -> list[RowPrediction]:
        """See `Client.predict_series`."""
        return await asyncio.to_thread(self._client.predict_series, series, top=top)

    async def embed(self, pictures: Sendable | Sequence[Sendable]) -> NDArray[np.float32]:
        """See `Client.embed`."""
        return await asyncio.to_thread(self._client.embed, pictures)

    async def explain(self, pictures: Sendable | Sequence[Sendable], **options: Any) -> list[dict[str, Any]]:
        """See `Client.explain`."""
        return await asyncio.to_thread(self._client.explain, pictures, **options)

    async def search(
        self, pictures: Sendable | Sequence[Sendable], *, k: int = 10
    ) -> list[list[dict[str, Any]]]:
        """See `Client.search`."""
        return await asyncio.to_thread(self._client.search, pictures, k=k)


def _file(picture: Sendable, place: int) -> tuple[str, bytes]:
    if isinstance(picture, bytes):
        return f"picture {place}", picture
    try:
        return Path(picture).name, Path(picture).expanduser().read_bytes()
    except OSError as error:
        raise InputError(f"{picture} cannot be read ({error.strerror}); give a picture file") from None


def _row_body(rows: Rows) -> tuple[str, bytes]:
    """Content type and body."""
    if isinstance(rows, str | Path):
        return "text/csv", _file(rows, 0)[1]
    given: Any = (
        rows if isinstance(rows, Sequence) or not hasattr(rows, "to_dict") else rows.to_dict("records")
    )
    try:
        content = json.dumps(
            {"rows": [{str(key): _plain(value) for key, value in row.items()} for row in given]}
        )
    except (TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"rows hold what JSON has no word for ({str(error)[:80]}); give objects of columns by name, a DataFrame or "
            "the path of a CSV file"
        ) from None
    return "application/json", content.encode()


def _plain(value: Any) -> Any:
    """A cell as JSON has it: NumPy's numbers as numbers, moments as text, what is missing as null."""
    try:
        missing = value is None or bool(value != value)  # NaN, and NaT
    except (TypeError, ValueError):  # pandas' NA
        missing = True
    if missing:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def _prediction(found: dict[str, Any]) -> Prediction:
    return Prediction(
        found["name"],
        found["label"],
        found["confidence"],
        tuple((each["class"], each["probability"]) for each in found["top"]),
        found["error"],
        tuple(found.get("possible", ())),
        bool(found.get("abstained", False)),
    )
