"""Names of members that stay inside, and those that lead out."""

from __future__ import annotations

import pytest

from convnets.data.images.archive_paths import check_path
from convnets.errors import DataError


@pytest.mark.parametrize("name", ["a.txt", "a/b/c.txt", "./a", "a..b/..c", "folder/", "a\\b", "c:d/e"])
def test_a_path_that_stays_inside(name: str) -> None:
    check_path(name, "x.zip")


@pytest.mark.parametrize("name", ["/a", "../a", "a/../../b", "a\\..\\b", "\\a", "C:/a", "C:\\a", "a\0b", ""])
def test_a_path_that_leads_out(name: str) -> None:
    with pytest.raises(
        DataError, match=r"x.zip: member .* leads out of the archive; allowed: relative paths"
    ):
        check_path(name, "x.zip")
