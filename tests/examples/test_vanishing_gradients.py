"""The example runs and shows what its text says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def example() -> ModuleType:
    found = importlib.util.spec_from_file_location("example", ROOT / "examples" / "vanishing_gradients.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_only_plain_sigmoids_lose_the_gradient(
    example: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example.EPOCHS = 0
    picture = tmp_path / "chart.png"
    found = example.main(picture)
    assert picture.stat().st_size > 10_000
    gradients = {
        name: [layer.gradient for layer in health.layers if layer.has_weights]
        for name, (health, _) in found.items()
    }
    assert [len(each) for each in gradients.values()] == [21] * 6
    for name, each in gradients.items():
        if name in ("sigmoid", "sigmoid, Xavier weights"):
            assert each[0] < 1e-10 * each[-1]
            assert any("the gradient vanishes" in warning for warning in found[name][0].warnings)
        else:
            assert each[0] > 0.1 * each[-1]
    assert capsys.readouterr().out.count("\n") == 7
