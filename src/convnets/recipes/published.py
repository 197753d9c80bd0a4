"""Published figures of the runs of *Dive into Deep Learning*: what was printed for them, and on what.

Two sources. Study notes on the book print one run of some networks. The book's own builds, on one NVIDIA V100 with one
seed each, differ from build to build: smallest, median and largest test accuracy of those that were published, and the
speed. All on Fashion-MNIST, ten epochs; accuracies are those of the last epoch, as shares from 0 to 1.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["PUBLISHED", "BookBuilds", "NotesRun", "Published"]


@dataclass(frozen=True)
class NotesRun:
    """What the notes print of their run."""

    loss: float
    """Cross-entropy in nats, mean over the training images of the last epoch."""
    train_accuracy: float
    test_accuracy: float
    images_per_second: float
    """Training steps alone."""


@dataclass(frozen=True)
class BookBuilds:
    """Test accuracies over the book's builds."""

    minimum: float
    median: float
    maximum: float
    images_per_second: float
    """Training steps alone, on a V100."""
    name: str = ""
    """What tells these builds from others of the same network: who wrote its batch norm."""

    def holds(self, accuracy: float) -> bool:
        """Whether a test accuracy lies from the smallest to the largest of the builds.

        >>> BookBuilds(0.761, 0.802, 0.826, 87_713).holds(0.807)
        True
        """
        return self.minimum <= accuracy <= self.maximum


@dataclass(frozen=True)
class Published:
    """All that is published of one network's run."""

    notes: NotesRun | None
    """None where the notes print nothing."""
    book: tuple[BookBuilds, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


PUBLISHED: dict[str, Published] = {
    "lenet": Published(None, (BookBuilds(0.761, 0.802, 0.826, 87_713),)),
    "lenet_bn": Published(
        NotesRun(0.264, 0.902, 0.830, 19_297),
        (
            BookBuilds(0.682, 0.873, 0.894, 36_013, "from scratch"),
            BookBuilds(0.518, 0.853, 0.892, 62_895, "built in"),
        ),
    ),
    "alexnet_d2l": Published(None, (BookBuilds(0.847, 0.880, 0.885, 4_110),)),
    "vgg11_quarter": Published(NotesRun(0.177, 0.933, 0.911, 679), (BookBuilds(0.906, 0.918, 0.924, 2_535),)),
    "nin": Published(None, (BookBuilds(0.100, 0.843, 0.875, 3_167),)),
    "googlenet": Published(NotesRun(0.256, 0.903, 0.886, 1_072), (BookBuilds(0.854, 0.890, 0.902, 3_351),)),
    "resnet18_d2l": Published(
        NotesRun(0.010, 0.998, 0.915, 1_534), (BookBuilds(0.669, 0.910, 0.924, 4_626),)
    ),
    "densenet_d2l": Published(
        NotesRun(0.140, 0.950, 0.882, 5_545), (BookBuilds(0.755, 0.890, 0.919, 5_457),)
    ),
}
"""By the network's name."""
