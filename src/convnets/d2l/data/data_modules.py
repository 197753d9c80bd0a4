"""Where the later editions' batches come from: DataModule, and Fashion-MNIST as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from convnets.d2l.data.loaders import ImageLoader, get_fashion_mnist_labels
from convnets.d2l.data.picture_dataset import PictureDataset
from convnets.d2l.figures import show_images
from convnets.d2l.hyper_parameters import HyperParameters
from convnets.data.image_set import ImageSet
from convnets.data.sources import load_data

__all__ = ["DataModule", "FashionMNIST"]


class DataModule(HyperParameters):
    """Where batches come from."""

    def __init__(
        self,
        root: str = "../data",  # noqa: ARG002  kept by save_hyperparameters; our images lie elsewhere
        num_workers: int = 4,  # noqa: ARG002
    ) -> None:
        self.save_hyperparameters()

    def get_dataloader(self, train: bool) -> Iterable[Any]:
        """To be given by the subclass."""
        raise NotImplementedError

    def train_dataloader(self) -> Iterable[Any]:
        """Batches to learn from."""
        return self.get_dataloader(train=True)

    def val_dataloader(self) -> Iterable[Any]:
        """Batches to be judged by."""
        return self.get_dataloader(train=False)

    def get_tensorloader(
        self, tensors: Sequence[Tensor], train: bool, indices: slice = slice(0, None)
    ) -> DataLoader[tuple[Tensor, ...]]:
        """Tensors of one length as batches of `self.batch_size`."""
        dataset = TensorDataset(*(tensor[indices] for tensor in tensors))
        return DataLoader(dataset, getattr(self, "batch_size"), shuffle=train)  # noqa: B009  the subclass's


class FashionMNIST(DataModule):
    """Fashion-MNIST, resized where `resize` says so.

    `train` and `val` give pairs (float 1×H×W from 0 to 1, int), `data` (uint8 N×28×28) and `targets` (int64 N), as
    torchvision's data set does; any `Dataset` may be put in their place.
    """

    def __init__(self, batch_size: int = 64, resize: int | tuple[int, int] = (28, 28)) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.batch_size, self.resize = batch_size, resize
        splits = load_data("fashion-mnist")
        assert splits.test is not None
        self.train: Dataset[Any] = PictureDataset(splits.train, resize)
        self.val: Dataset[Any] = PictureDataset(splits.test, resize)

    def text_labels(self, indices: Sequence[Any] | Tensor) -> list[str]:
        """Names of classes."""
        return get_fashion_mnist_labels(indices)

    def get_dataloader(self, train: bool) -> DataLoader[Any]:
        """Training batches, shuffled, or those of the test set."""
        images = self.train if train else self.val
        if isinstance(images, PictureDataset | ImageSet):
            return ImageLoader(images, self.batch_size, shuffle=train, resize=self.resize)
        return DataLoader(images, self.batch_size, shuffle=train)

    def visualize(
        self, batch: Sequence[Any], nrows: int = 1, ncols: int = 8, labels: Sequence[str] = ()
    ) -> None:
        """Show the first pictures of a batch with their names."""
        X, y = batch
        show_images(X.squeeze(1), nrows, ncols, titles=list(labels) or self.text_labels(y))
