"""The studies by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from convnets.errors import UnknownNameError

if TYPE_CHECKING:
    from convnets.studies.study import Study

__all__ = ["STUDIES", "run_study"]

STUDIES = {
    "discretization": "bins of equal width, of equal frequency, and by clusters",
    "double_descent": "test error over the number of features: it rises, then falls again",
    "dropout": "dropout's expectation: the mean stays, the variance grows",
    "initializers": "what starting weights do to a signal through twenty layers",
    "perceptron": "the perceptron's own rule, and how many mistakes it can make at most",
    "polynomials": "capacity by polynomial degree: too plain, right, too free",
    "taylor": "activations by their Taylor series, and a signal through twenty layers",
    "xor": "what the perceptron cannot learn and an MLP can, with the boundary over the steps",
}
"""Name of each study, which is its module and function, and what it shows."""


def run_study(name: str, *, seed: int = 0) -> Study:
    """Measure a study at its usual size. Raises UnknownNameError for a name that is not in `STUDIES`."""
    if name not in STUDIES:
        raise UnknownNameError("study", name, STUDIES)
    found: Study = getattr(import_module(f"convnets.studies.{name}"), name)(seed=seed)
    return found
