"""The device, precision and threads are chosen in one place and wrong ones are refused."""

from __future__ import annotations

import pytest
import torch

from convnets.core import hardware
from convnets.core.hardware import choose_hardware
from convnets.errors import ConfigError, DeviceError


def test_bf16_is_taken_only_where_it_is_native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "bf16_is_native", lambda device: True)
    assert choose_hardware("cpu").precision == "bf16"
    monkeypatch.setattr(hardware, "bf16_is_native", lambda device: False)
    assert choose_hardware("cpu").precision == "fp32"
    assert choose_hardware("cpu", "bf16").precision == "bf16"


def test_autocast_computes_in_the_chosen_type() -> None:
    layer, x = torch.nn.Linear(4, 4), torch.ones(2, 4)
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with choose_hardware("cpu", precision).autocast():
            assert layer(x).dtype is dtype


@pytest.mark.parametrize(
    ("device", "part"),
    [("cuda:99", "which has"), ("warp", "not known"), ("meta", "not supported"), ("xpu", "not supported")],
)
def test_a_device_that_is_not_there_is_refused_in_one_line(device: str, part: str) -> None:
    with pytest.raises(DeviceError, match=part) as caught:
        choose_hardware(device)
    assert device in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_precision_and_threads_are_refused() -> None:
    with pytest.raises(ConfigError, match="allowed: auto, fp32, bf16"):
        choose_hardware("cpu", "fp16")
    with pytest.raises(ConfigError, match="1 or more"):
        choose_hardware("cpu", threads=0)


def test_threads_are_set() -> None:
    before = torch.get_num_threads()
    try:
        assert choose_hardware("cpu", threads=1).threads == torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
