"""The instruction set in use: the best that is there, capped by name, refused in one line."""

from __future__ import annotations

import itertools

import pytest
import torch

from convnets.core import hardware, instruction_set
from convnets.core.hardware import bf16_is_native, choose_hardware
from convnets.core.instruction_set import INSTRUCTION_SETS
from convnets.errors import ConfigError


@pytest.fixture(autouse=True)
def _avx512(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has all of them."""
    there = frozenset(INSTRUCTION_SETS["avx512_bf16"])
    monkeypatch.setattr(instruction_set, "processor_instructions", lambda: there)
    monkeypatch.setattr(instruction_set.platform, "machine", lambda: "x86_64")
    monkeypatch.delenv("CONVNETS_ISA", raising=False)


def test_the_best_is_taken_unless_it_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert instruction_set.instruction_set() == "avx512_bf16"
    for name in INSTRUCTION_SETS:
        monkeypatch.setenv("CONVNETS_ISA", name)
        assert instruction_set.instruction_set() == name


def test_each_has_all_of_the_one_before() -> None:
    needed = [set(names) for names in INSTRUCTION_SETS.values()]
    assert all(less < more for less, more in itertools.pairwise(needed))


@pytest.mark.parametrize("wanted", ["avx10", "avx512"])
def test_what_is_not_known_or_not_there_is_refused(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = frozenset(INSTRUCTION_SETS["avx2"])
    monkeypatch.setattr(instruction_set, "processor_instructions", lambda: there)
    assert instruction_set.instruction_set() == "avx2"
    monkeypatch.setenv("CONVNETS_ISA", wanted)
    with pytest.raises(
        ConfigError, match=f"CONVNETS_ISA is '{wanted}'; allowed on this processor: sse, avx2"
    ):
        instruction_set.instruction_set()


def test_it_is_refused_before_anything_is_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVNETS_ISA", "avx10")
    with pytest.raises(ConfigError, match="CONVNETS_ISA is 'avx10'"):
        choose_hardware("cpu", "fp32", 1)


def test_other_machines_have_no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruction_set.platform, "machine", lambda: "aarch64")
    monkeypatch.setenv("CONVNETS_ISA", "avx2")
    assert instruction_set.instruction_set() is None


def test_bf16_is_not_native_where_its_products_are_excluded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    assert bf16_is_native(torch.device("cpu"))
    monkeypatch.setenv("CONVNETS_ISA", "avx512")
    assert not bf16_is_native(torch.device("cpu"))
