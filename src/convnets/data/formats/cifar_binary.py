"""The binary CIFAR-10 archive: records of one label byte and 3,072 pixel bytes (red, green, blue planes of 32×32).

Source of the layout: https://www.cs.toronto.edu/~kriz/cifar.html ("Binary version"). The archive is read in memory
and never unpacked to disk; the pickled version of the same data is not supported, because unpickling runs code.
"""

from __future__ import annotations

import io
import tarfile
import zlib

import torch
from torch import Tensor

from convnets.errors import DataError

__all__ = ["RECORD_BYTES", "read_cifar10_archive", "read_cifar10_records"]

RECORD_BYTES = 1 + 3 * 32 * 32
"""Bytes of one image with its label."""

_FOLDER = "cifar-10-batches-bin"
_TRAIN = tuple(f"{_FOLDER}/data_batch_{number}.bin" for number in range(1, 6))
_TEST = (f"{_FOLDER}/test_batch.bin",)
_MAX_MEMBER_BYTES = 20_000 * RECORD_BYTES  # the published files hold 10,000 records


def read_cifar10_records(content: bytes, name: str) -> tuple[Tensor, Tensor]:
    """The `content` of one batch file → images uint8 N×3×32×32 and labels int64 N.

    Raises DataError when the bytes are not whole records or a label is above 9.

    >>> images, labels = read_cifar10_records(bytes([7]) + bytes(3072), "data_batch_1.bin")
    >>> images.shape, labels
    (torch.Size([1, 3, 32, 32]), tensor([7]))
    """
    count, rest = divmod(len(content), RECORD_BYTES)
    if rest or not count:
        raise DataError(
            f"{name}: {len(content)} bytes; allowed: a multiple of {RECORD_BYTES}, one record per image"
        )
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(count, RECORD_BYTES)
    labels = records[:, 0].long()
    if int(labels.max()) > 9:
        raise DataError(
            f"{name}: label {int(labels.max())}; allowed: 0 to 9; is it the CIFAR-10 binary version?"
        )
    return records[:, 1:].reshape(count, 3, 32, 32).contiguous(), labels


def read_cifar10_archive(content: bytes, name: str) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The bytes of `cifar-10-binary.tar.gz` → ((train images, labels), (test images, labels)).

    Raises DataError when the archive is damaged or one of its six files is missing or too large.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            found = _batch_files(archive, name)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{name}: the archive cannot be read ({error}); get the file again") from None
    missing = [member for member in (*_TRAIN, *_TEST) if member not in found]
    if missing:
        raise DataError(f"{name}: {missing[0]} is missing; the binary CIFAR-10 archive has six .bin files")
    train = [read_cifar10_records(found[member], member) for member in _TRAIN]
    images, labels = (torch.cat(parts) for parts in zip(*train, strict=True))
    return (images, labels), read_cifar10_records(found[_TEST[0]], _TEST[0])


def _batch_files(archive: tarfile.TarFile, name: str) -> dict[str, bytes]:
    """One pass over the archive, as gzip can only go forward; whatever else is in it is passed over."""
    found: dict[str, bytes] = {}
    for member in archive:
        if member.name not in (*_TRAIN, *_TEST):
            continue
        file = archive.extractfile(member) if member.isreg() else None
        if file is None or member.size > _MAX_MEMBER_BYTES:
            raise DataError(
                f"{name}: {member.name} is a link or has {member.size} bytes; allowed: {_MAX_MEMBER_BYTES}"
            )
        found[member.name] = file.read()
    return found
