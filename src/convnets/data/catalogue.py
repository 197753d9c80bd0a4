"""The data sets that convnets knows by name: facts and figures only, so that listing them costs nothing.

Mean and std are those of the training pixels in [0, 1], population standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

from convnets.data.downloads.published_file import PublishedFile
from convnets.errors import UnknownNameError

__all__ = ["DataEntry", "data_entry", "list_data"]


@dataclass(frozen=True)
class DataEntry:
    """What there is to know about a named data set before it is loaded."""

    name: str
    """As `load_data` and `--data` take it."""
    title: str
    """One line for lists."""
    train_images: int
    test_images: int
    classes: tuple[str, ...]
    """Class names; the index is the label."""
    channels: int
    """1 (gray) or 3 (RGB)."""
    size: int
    """Side of the square images, in pixels."""
    mean: tuple[float, ...]
    """Mean of the training pixels in [0, 1], per channel."""
    std: tuple[float, ...]
    """Population standard deviation of the training pixels in [0, 1], per channel."""
    license: str
    home: str
    """Where the data set is described."""
    files: tuple[PublishedFile, ...] = ()
    """What is downloaded; empty for what comes with scikit-learn."""

    @property
    def download_bytes(self) -> int:
        """Bytes to download; 0 when nothing is."""
        return sum(file.packed_bytes for file in self.files)


_DIGITS = tuple("0123456789")


def _idx_files(
    mirrors: tuple[str, ...], rows: tuple[tuple[str, str, str | None, int], ...]
) -> tuple[PublishedFile, ...]:
    """Rows of name, MD5 of the published gzip, SHA-256 of the unpacked file where known, packed bytes."""
    return tuple(
        PublishedFile(f"{name}.gz", tuple(f"{mirror}{name}.gz" for mirror in mirrors), size, md5, sha256)
        for name, md5, sha256, size in rows
    )


_FASHION_MNIST = DataEntry(
    name="fashion-mnist",
    title="articles of clothing, drop-in for MNIST (Xiao et al. 2017)",
    train_images=60_000,
    test_images=10_000,
    classes=(
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ),
    channels=1,
    size=28,
    mean=(0.2860,),
    std=(0.3530,),
    license="MIT (Zalando SE)",
    home="https://github.com/zalandoresearch/fashion-mnist",
    files=_idx_files(
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        (
            ("train-images-idx3-ubyte", "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
             "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 26_421_880),
            ("train-labels-idx1-ubyte", "25c81989df183df01b3e8a0aad5dffbe",
             "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 29_515),
            ("t10k-images-idx3-ubyte", "bef4ecab320f06d8554ea6380940ec79",
             "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 4_422_102),
            ("t10k-labels-idx1-ubyte", "bb300cfdad3c16e7a12a480ee83cd310",
             "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 5_148),
        ),
    ),
)  # fmt: skip

_MNIST = DataEntry(
    name="mnist",
    title="handwritten digits (LeCun et al. 1998)",
    train_images=60_000,
    test_images=10_000,
    classes=_DIGITS,
    channels=1,
    size=28,
    mean=(0.1307,),
    std=(0.3081,),
    license="CC BY-SA 3.0",
    home="http://yann.lecun.com/exdb/mnist/",
    files=_idx_files(
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
        (
            ("train-images-idx3-ubyte", "f68b3c2dcbeaaa9fbdd348bbdeb94873",
             "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 9_912_422),
            ("train-labels-idx1-ubyte", "d53e105ee54ea40749a09fcbcd1e9432",
             "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 28_881),
            ("t10k-images-idx3-ubyte", "9fb629c4189551a2d022fa330f9573f3",
             "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 1_648_877),
            ("t10k-labels-idx1-ubyte", "ec29112dd5afa0611ce80d1b7f02629c",
             "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 4_542),
        ),
    ),
)  # fmt: skip

_KMNIST = DataEntry(
    name="kmnist",
    title="ten cursive kana, drop-in for MNIST (Clanuwat et al. 2018)",
    train_images=60_000,
    test_images=10_000,
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    channels=1,
    size=28,
    mean=(0.1918,),
    std=(0.3483,),
    license="CC BY-SA 4.0 (CODH)",
    home="https://github.com/rois-codh/kmnist",
    files=_idx_files(
        ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/"),
        (
            ("train-images-idx3-ubyte", "bdb82020997e1d708af4cf47b453dcf7", None, 18_165_135),
            ("train-labels-idx1-ubyte", "e144d726b3acfaa3e44228e80efcd344", None, 29_497),
            ("t10k-images-idx3-ubyte", "5c965bf0a639b31b8f53240b1b52f4d7", None, 3_041_136),
            ("t10k-labels-idx1-ubyte", "7320c461ea6c1c855c0b718fb2a4b134", None, 5_120),
        ),
    ),
)  # fmt: skip

_CIFAR10 = DataEntry(
    name="cifar10",
    title="ten kinds of animals and vehicles in color (Krizhevsky 2009)",
    train_images=50_000,
    test_images=10_000,
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    channels=3,
    size=32,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    license="none stated; cite Krizhevsky 2009",
    home="https://www.cs.toronto.edu/~kriz/cifar.html",
    files=(
        PublishedFile(
            "cifar-10-binary.tar.gz",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/cifar-10-binary.tar.gz",
            ),
            170_052_171,
            md5="c32a1d4ab5d03f1284b67883e8d87530",
        ),
    ),
)

_SCIKIT_DIGITS = DataEntry(
    name="digits",
    title="handwritten digits that come with scikit-learn; no download (Alpaydin & Kaynak 1998)",
    train_images=1_437,
    test_images=360,
    classes=_DIGITS,
    channels=1,
    size=8,
    mean=(0.3054,),
    std=(0.3760,),
    license="CC BY 4.0 (UCI Machine Learning Repository)",
    home="https://archive.ics.uci.edu/dataset/80",
)

_ENTRIES = (_SCIKIT_DIGITS, _FASHION_MNIST, _MNIST, _KMNIST, _CIFAR10)


def list_data() -> list[DataEntry]:
    """Every data set that has a name, the embedded one first.

    >>> [entry.name for entry in list_data()]
    ['digits', 'fashion-mnist', 'mnist', 'kmnist', 'cifar10']
    """
    return list(_ENTRIES)


def data_entry(name: str) -> DataEntry:
    """The data set called `name`; raises UnknownNameError with the nearest names.

    >>> data_entry("fashion-mnist").test_images
    10000
    """
    for entry in _ENTRIES:
        if entry.name == name:
            return entry
    raise UnknownNameError("data set", name, [entry.name for entry in _ENTRIES])
