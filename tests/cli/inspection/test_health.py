"""`convnets health` from the command line to text, JSON and a picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convnets.cli.main import run


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as ended:
        run(["health", *arguments])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


def test_text_and_chart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart = tmp_path / "new" / "health.svg"
    code, out, _ = call(capsys, "lenet", "--images", "32", "--device", "cpu", "-o", str(chart))
    assert code == 0
    assert out.startswith("lenet, 32 images in training mode, loss ")
    assert "warning: the gradient vanishes: at layer 1" in out
    assert out.rstrip().endswith(f"chart: {chart}")
    assert chart.read_text().startswith("<svg")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    options = (
        "--images",
        "16",
        "--device",
        "cpu",
        "--initializer",
        "constant",
        "--optimizer",
        "sgd",
        "--json",
    )
    code, out, _ = call(capsys, "lenet_bn", *options)
    found = json.loads(out)
    assert code == 0
    assert found["network"] == "lenet_bn"
    assert found["step"] == "SGD, learning rate 0.1"
    assert len(found["batch_norms"][0]["gamma"]) == 6
    assert any("all units give the same" in warning for warning in found["warnings"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lenett",), "unknown network 'lenett'; nearest: lenet"),
        (("lenet", "-o", "x.gif"), "x.gif ends in '.gif'; allowed: .png, .svg, .pdf"),
        (("lenet", "--images", "1"), "images is 1; allowed: 2 or more"),
        (
            ("lenet", "--initializer", "xavier"),
            "unknown initializer 'xavier'; nearest: xavier-normal, xavier-uniform",
        ),
        (("lenet", "--images", "x"), "'x'; allowed: a whole number"),
    ],
)
def test_wrong_usage_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
