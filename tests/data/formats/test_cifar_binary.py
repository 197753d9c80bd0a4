"""The binary CIFAR-10 archive, against records put together byte by byte."""

from __future__ import annotations

import io
import random
import tarfile

import pytest
import torch

from convnets.data.formats.cifar_binary import RECORD_BYTES, read_cifar10_archive, read_cifar10_records
from convnets.errors import DataError

MEMBERS = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


def records(seed: int, count: int = 2) -> bytes:
    draw = random.Random(seed)
    return b"".join(bytes([draw.randrange(10)]) + draw.randbytes(3072) for _ in range(count))


def archive(members: dict[str, bytes], **links: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, target in links.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return file.getvalue()


def whole() -> dict[str, bytes]:
    return {name: records(seed) for seed, name in enumerate(MEMBERS)}


def test_pixels_are_where_the_format_says() -> None:
    content = records(7, count=3)
    images, labels = read_cifar10_records(content, "x")
    for n in range(3):
        assert int(labels[n]) == content[n * RECORD_BYTES]
        for channel, row, column in [(0, 0, 0), (0, 0, 31), (1, 0, 0), (2, 31, 31), (1, 17, 5)]:
            offset = n * RECORD_BYTES + 1 + channel * 1024 + row * 32 + column
            assert int(images[n, channel, row, column]) == content[offset]


def test_batches_come_in_order() -> None:
    (train, train_labels), (test, test_labels) = read_cifar10_archive(archive(whole()), "x")
    assert train.shape == (10, 3, 32, 32)
    assert test.shape == (2, 3, 32, 32)
    for batch in range(5):
        images, labels = read_cifar10_records(records(batch), "x")
        assert torch.equal(train[2 * batch : 2 * batch + 2], images)
        assert torch.equal(train_labels[2 * batch : 2 * batch + 2], labels)
    assert torch.equal(test, read_cifar10_records(records(5), "x")[0])
    assert test_labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            lambda: archive({k: v for k, v in whole().items() if k != "data_batch_3.bin"}),
            "data_batch_3.bin is missing",
        ),
        (lambda: archive({**whole(), "test_batch.bin": b"1234"}), "multiple of 3073"),
        (lambda: archive({**whole(), "test_batch.bin": b""}), "0 bytes"),
        (lambda: archive({**whole(), "test_batch.bin": bytes([10]) + bytes(3072)}), "label 10"),
        (lambda: archive({}, test_batch="/etc/passwd"), "is a link"),
        (lambda: archive({"data_batch_1.bin": bytes(20_001 * RECORD_BYTES)}), "61463073 bytes"),
        (lambda: archive(whole())[:-2000], "cannot be read"),
        (lambda: b"<html>not an archive</html>", "cannot be read"),
        (lambda: b"", "cannot be read"),
    ],
)
def test_wrong_archives_are_refused(content, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=said) as caught:
        read_cifar10_archive(content(), "cifar-10-binary.tar.gz")
    assert "\n" not in str(caught.value)
