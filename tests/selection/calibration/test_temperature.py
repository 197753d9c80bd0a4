"""Temperature against a grid, and against the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convnets.errors import ConfigError, InputError
from convnets.selection.calibration.temperature import apply_temperature, fit_temperature


def example(images: int, sharpness: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(images, 4, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).flatten()
    return (sharpness * logits).log_softmax(1), labels


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_it_is_the_best_of_a_fine_grid_and_near_the_truth(sharpness: float) -> None:
    scores, labels = example(3000, sharpness)
    found = fit_temperature(scores, labels)
    z, places = scores.numpy(), np.arange(3000)

    def loss(temperature: float) -> float:
        scaled = z / temperature
        return float((np.log(np.exp(scaled).sum(1)) - scaled[places, labels.numpy()]).mean())

    grid = np.exp(np.linspace(np.log(0.1), np.log(10), 2001))
    assert found == pytest.approx(grid[np.argmin([loss(each) for each in grid])], rel=0.003)
    assert found == pytest.approx(sharpness, rel=0.1)


def test_it_changes_no_answer() -> None:
    scores, _ = example(500, 1.0)
    cooled = apply_temperature(scores, 3.7)
    assert cooled.argmax(1).equal(scores.argmax(1))
    torch.testing.assert_close(cooled.exp().sum(1), torch.ones(500, dtype=torch.float64))
    torch.testing.assert_close(apply_temperature(scores, 1.0), scores)


def test_what_is_refused() -> None:
    with pytest.raises(ConfigError, match="allowed: above 0"):
        apply_temperature(torch.zeros(1, 2), 0)
    with pytest.raises(InputError, match="N×K and N"):
        fit_temperature(torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64))
