"""A few hundred of each kind of mutated input; `fuzz_inputs.py` by hand tries ten thousand."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def fuzzing() -> Iterator[ModuleType]:
    path = Path(__file__).with_name("fuzz_inputs.py")
    spec = importlib.util.spec_from_file_location("fuzz_inputs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.parametrize("kind", ["pictures", "models", "zips", "shards"])
def test_only_our_own_errors(fuzzing: ModuleType, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVNETS_CACHE", "")  # the fuzzer sets its own; put back what was there
    tally = fuzzing.fuzz(kind, 300, seed=1)
    assert tally.violations == []
    assert sum(tally.refused.values()) > 60  # the mutations do bite
    assert tally.accepted > 3  # and some leave a sound input, or only damage what is not looked at


def test_the_watch_sees_deeds_outside(fuzzing: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    watch = fuzzing.Watch(tmp_path / "in")
    watch.on = True
    (tmp_path / "in" / "x").write_text("inside")
    (tmp_path / "out").write_text("outside")
    (tmp_path / "out").unlink()
    watch.on = False
    assert len(watch.deeds) == 2, watch.deeds
