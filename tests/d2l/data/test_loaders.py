"""Loaders of Fashion-MNIST as DataLoaders of PyTorch's are."""

from __future__ import annotations

import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler

from convnets import d2l


def test_loaders_have_the_attributes_of_a_dataloader() -> None:
    train_iter, test_iter = d2l.load_data_fashion_mnist(64, resize=32)
    assert isinstance(train_iter, DataLoader)
    assert (train_iter.num_workers, train_iter.drop_last, train_iter.batch_size) == (0, False, 64)
    assert isinstance(train_iter.sampler, RandomSampler)
    assert isinstance(test_iter.sampler, SequentialSampler)
    assert isinstance(train_iter.batch_sampler, BatchSampler)
    assert len(train_iter.batch_sampler) == len(train_iter) == 16
    X, y = train_iter.dataset[0]
    assert (X.shape, X.dtype, type(y), len(train_iter.dataset)) == ((1, 32, 32), torch.float32, int, 1000)


def test_batches_are_plain_contiguous_tensors() -> None:
    for resize in (None, 32, (24, 32)):
        X, _ = next(iter(d2l.load_data_fashion_mnist(8, resize=resize)[0]))
        assert X.stride() == (X[0].numel(), X[0].numel(), X.shape[3], 1)
