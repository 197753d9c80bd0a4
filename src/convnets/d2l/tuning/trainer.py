"""What the chapter on hyper-parameters optimizes: the validation error of a trained LeNet."""

from __future__ import annotations

import torch
from torch import Tensor

from convnets.d2l.blocks import init_cnn
from convnets.d2l.classifiers import LeNet
from convnets.d2l.data.data_modules import FashionMNIST
from convnets.d2l.measures import some
from convnets.d2l.modules import Trainer

__all__ = ["HPOTrainer", "hpo_objective_lenet"]


class HPOTrainer(Trainer):
    """A Trainer that says how often its model is wrong."""

    def validation_error(self) -> Tensor:
        """1 less the mean accuracy of the validation batches, each counting alike as in the book; a scalar."""
        self.model.eval()
        accuracies = []
        with torch.no_grad():
            for batch in some(self.val_dataloader, "val_dataloader()"):
                x, y = self.prepare_batch(batch)
                accuracies.append(self.model.accuracy(self.model(x), y))
        return 1 - torch.stack(accuracies).mean()


def hpo_objective_lenet(learning_rate: float, batch_size: int, max_epochs: int = 10) -> Tensor:
    """The validation error of LeNet after `max_epochs` epochs on Fashion-MNIST, a scalar."""
    model = LeNet(lr=learning_rate, num_classes=10)
    trainer = HPOTrainer(max_epochs=max_epochs, num_gpus=1)
    data = FashionMNIST(batch_size=batch_size)
    model.apply_init([next(iter(data.get_dataloader(True)))[0]], init_cnn)
    trainer.fit(model=model, data=data)
    return trainer.validation_error()
