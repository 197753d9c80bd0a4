"""ResNet-18 for images of about 32 pixels: it does not shrink them before it has looked.

N images, C channels, H height, W width, D features of an embedding, K classes; shapes for 32×32 images.
"""

from __future__ import annotations

from torch import Tensor, nn

from convnets.layers.initialization.initialize import initialize
from convnets.models.contract import ImageClassifier
from convnets.models.input_sizes import InputSizes
from convnets.models.papers.resnet import BasicBlock, stage

__all__ = ["ResNet18Small"]


class ResNet18Small(ImageClassifier):
    """ResNet-18 with a stem for small images, 2015.

    Paper: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", 2015.
    Idea: the blocks of ResNet-18 at the resolution of small images.
    Input: 32×32; any size.
    Differs from the paper: a 3×3 convolution with stride 1 and no max-pooling as the stem, where the paper shrinks
    the image to a quarter before the first block.
    """

    def __init__(self, in_channels: int = 3, num_classes: int = 10) -> None:
        sizes = InputSizes(smallest=1, lone_image=9)
        super().__init__(in_channels=in_channels, num_classes=num_classes, embedding_size=512, sizes=sizes)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=3, padding=1, bias=False),  # N×64×32×32
            nn.BatchNorm2d(64),
            nn.ReLU(),
        )
        self.stage1 = stage(BasicBlock, 2, 64, 64, stride=1)
        self.stage2 = stage(BasicBlock, 2, 64, 128, stride=2)
        self.stage3 = stage(BasicBlock, 2, 128, 256, stride=2)
        self.stage4 = stage(BasicBlock, 2, 256, 512, stride=2)
        initialize(self, "kaiming-normal")
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(512, num_classes)

    def features(self, x: Tensor) -> Tensor:
        """The maps after the last stage: N×512×H/8×W/8."""
        self.check_input(x)
        x = self.stem(x)  # N×64×32×32
        x = self.stage1(x)  # N×64×32×32
        x = self.stage2(x)  # N×128×16×16
        x = self.stage3(x)  # N×256×8×8
        x = self.stage4(x)  # N×512×4×4
        return x

    def embed(self, x: Tensor) -> Tensor:
        """The average of each of the last feature maps: N×512."""
        x = self.flatten(self.pool(self.features(x)))  # N×512
        return x

    def classify(self, x: Tensor) -> Tensor:
        """Logits of the maps that `features` gives: N×K."""
        x = self.flatten(self.pool(x))  # N×512
        x = self.classifier(x)  # N×K
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Logits: N×K."""
        x = self.classify(self.features(x))  # N×K
        return x
