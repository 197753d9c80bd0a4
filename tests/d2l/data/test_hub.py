"""The book's downloads, from a server on this machine."""

from __future__ import annotations

import functools
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from convnets import d2l
from convnets.data.downloads import download as downloads
from convnets.errors import DataError, DownloadError, InputError, UnknownNameError

TABLE = b"Id,SalePrice\n1,208500\n"
SHA1 = hashlib.sha1(TABLE).hexdigest()


class Site(NamedTuple):
    url: str
    folder: Path
    asked: list[str]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server for the files of a folder, and the list of what it was asked; pauses between tries take no time."""
    served, asked = tmp_path / "served", list[str]()
    served.mkdir()
    (served / "houses.csv").write_bytes(TABLE)

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(served)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(downloads.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("CONVNETS_DATA", str(tmp_path / "data"))
    yield Site(f"http://127.0.0.1:{server.server_port}/", served, asked)
    server.shutdown()
    thread.join()
    server.server_close()


def put_in_the_hub(monkeypatch: pytest.MonkeyPatch, name: str, url: str, content: bytes) -> None:
    monkeypatch.setitem(d2l.DATA_HUB, name, (url, hashlib.sha1(content).hexdigest()))


def packed(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def test_a_file_of_the_hub_is_got_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    put_in_the_hub(monkeypatch, "houses", f"{site.url}houses.csv", TABLE)
    path = d2l.download("houses")
    assert isinstance(path, str)
    assert Path(path) == tmp_path / "data" / "d2l" / "houses.csv"
    assert Path(path).read_bytes() == TABLE
    assert capsys.readouterr().out == f"Downloading {path} from {site.url}houses.csv...\n"
    assert d2l.download("houses") == path
    assert (site.asked, capsys.readouterr().out) == (["/houses.csv"], "")


@pytest.mark.parametrize("named", ["folder", "cache_dir"])
def test_a_url_is_got_into_the_folder_that_is_named(site: Site, tmp_path: Path, named: str) -> None:
    for place in (tmp_path / "a", str(tmp_path / "b")):
        path = d2l.download(f"{site.url}houses.csv", sha1_hash=SHA1.upper(), **{named: place})  # type: ignore[arg-type]
        assert path == str(Path(place) / "houses.csv")
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["houses.csv"]  # and nothing beside it
    assert d2l.download(f"{site.url}houses.csv?raw=true", tmp_path / "c", SHA1).endswith("houses.csv")


def test_a_file_without_a_checksum_is_got_anew(site: Site, tmp_path: Path) -> None:
    d2l.download(f"{site.url}houses.csv", tmp_path)
    (site.folder / "houses.csv").write_bytes(b"another one")
    assert Path(d2l.download(f"{site.url}houses.csv", tmp_path)).read_bytes() == b"another one"


def test_another_content_gives_way_to_the_right_one_only(site: Site, tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_bytes(b"mine")
    with pytest.raises(DownloadError, match=f"SHA-1 is {SHA1}; expected {'0' * 40}") as caught:
        d2l.download(f"{site.url}houses.csv", tmp_path, "0" * 40)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "houses.csv").read_bytes() == b"mine"
    d2l.download(f"{site.url}houses.csv", tmp_path, SHA1)
    assert (tmp_path / "houses.csv").read_bytes() == TABLE


def test_without_a_connection_the_message_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    put_in_the_hub(monkeypatch, "houses", "http://127.0.0.1:9/houses.csv", TABLE)
    place = tmp_path / "data" / "d2l" / "houses.csv"
    message = f"houses.csv could not be downloaded; .*connection refused.*; or put it at {place}"
    with pytest.raises(DownloadError, match=f"{message}$"):
        d2l.download("houses")
    with pytest.raises(DownloadError, match=f"{message}, and name its sha1_hash$"):
        d2l.download("http://127.0.0.1:9/houses.csv")
    place.write_bytes(TABLE)  # which is what the message says
    assert (
        d2l.download("houses") == d2l.download("http://127.0.0.1:9/houses.csv", sha1_hash=SHA1) == str(place)
    )


def test_names_and_urls_that_are_none() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown file of DATA_HUB 'hotdogs'; nearest: hotdog; or begin with"
    ):
        d2l.download("hotdogs")
    for url in ("http://127.0.0.1:9/", "http://127.0.0.1:9/a/..", "http://127.0.0.1:9/a%5Cb"):
        with pytest.raises(InputError, match="names no file; allowed: one that ends in a file name"):
            d2l.download(url)


def test_an_archive_is_unpacked_beside_itself(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = packed({"pets/cats/1.txt": b"cat", "pets/dogs/2.txt": b"dog"})
    (site.folder / "pets.zip").write_bytes(content)
    put_in_the_hub(monkeypatch, "pets", f"{site.url}pets.zip", content)
    folder = d2l.download_extract("pets")
    assert folder == str(tmp_path / "data" / "d2l" / "pets")
    assert Path(folder, "cats", "1.txt").read_bytes() == b"cat"
    assert d2l.download_extract("pets", "pets/dogs") == str(Path(folder, "dogs"))
    assert site.asked == ["/pets.zip"]


def test_an_archive_that_leads_outside_is_not_unpacked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed({"fine.txt": b"1", "../../outside.txt": b"2"})
    (site.folder / "bad.zip").write_bytes(content)
    put_in_the_hub(monkeypatch, "bad", f"{site.url}bad.zip", content)
    with pytest.raises(DataError, match=r"bad.zip: member '../../outside.txt' leads out of the archive"):
        d2l.download_extract("bad")


def test_all_files_of_the_hub(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert {"kaggle_house_train", "kaggle_house_test", "hotdog", "cifar10_tiny", "dog_tiny"} <= set(
        d2l.DATA_HUB
    )
    assert all(url.startswith(d2l.DATA_URL) and len(sha1) == 40 for url, sha1 in d2l.DATA_HUB.values())
    for name in list(d2l.DATA_HUB):
        monkeypatch.delitem(d2l.DATA_HUB, name)
    for name in ("a.csv", "b.csv"):
        (site.folder / name).write_bytes(name.encode())
        put_in_the_hub(monkeypatch, name, f"{site.url}{name}", name.encode())
    d2l.download_all()
    assert sorted(site.asked) == ["/a.csv", "/b.csv"]
    assert (tmp_path / "data" / "d2l" / "b.csv").read_bytes() == b"b.csv"
