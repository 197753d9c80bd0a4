"""The processor's counters of energy, played by files."""

from __future__ import annotations

from pathlib import Path

import pytest

from convnets.benchmarking.measures.energy import EnergyMeter, read_counters


def write(root: Path, zone: str, count: int, name: str = "package-0", limit: int = 1_000_000_000) -> None:
    folder = root / zone
    folder.mkdir(exist_ok=True)
    for file, content in (("name", name), ("energy_uj", count), ("max_energy_range_uj", limit)):
        (folder / file).write_text(f"{content}\n")


def test_packages_are_added_up_and_their_parts_left_out(tmp_path: Path) -> None:
    for zone, name in (("intel-rapl:0", "package-0"), ("intel-rapl:1", "package-1")):
        write(tmp_path, zone, 1_000_000, name)
    write(tmp_path, "intel-rapl:0:0", 5, "core")
    write(tmp_path, "intel-rapl:2", 5, "psys")
    assert list(read_counters(tmp_path)) == ["intel-rapl:0", "intel-rapl:1"]
    with EnergyMeter(tmp_path) as meter:
        write(tmp_path, "intel-rapl:0", 3_500_000)
        write(tmp_path, "intel-rapl:1", 1_250_000, "package-1")
        write(tmp_path, "intel-rapl:0:0", 999_999_999, "core")
    assert meter.joules == pytest.approx(2.75)


def test_a_counter_that_began_again_is_followed(tmp_path: Path) -> None:
    write(tmp_path, "intel-rapl:0", 999_000_000)
    with EnergyMeter(tmp_path) as meter:
        write(tmp_path, "intel-rapl:0", 2_000_000)
    assert meter.joules == pytest.approx(3.0)  # 1 J up to the limit and 2 J after it


@pytest.mark.parametrize("content", [None, "", "not a number"])
def test_a_machine_that_does_not_tell(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        write(tmp_path, "intel-rapl:0", 1)
        (tmp_path / "intel-rapl:0" / "energy_uj").write_text(content)
    with EnergyMeter(tmp_path) as meter:
        pass
    assert meter.joules is None


def test_a_package_that_fell_silent(tmp_path: Path) -> None:
    write(tmp_path, "intel-rapl:0", 1)
    with EnergyMeter(tmp_path) as meter:
        (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert meter.joules is None
