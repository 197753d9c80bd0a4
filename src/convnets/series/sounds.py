"""Folders of .wav files, a folder for each class, as series of one channel."""

from __future__ import annotations

import math
import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convnets.errors import DataError
from convnets.series.series_options import SeriesOptions
from convnets.series.series_set import SeriesSet
from convnets.tables.table_set import Column

__all__ = ["holds_sounds", "is_sound", "read_sounds", "sound_files"]


def holds_sounds(folder: Path) -> bool:
    """Whether the first file of it, or of some folder in it, is a .wav file."""
    for inner in (folder, *sorted(each for each in folder.iterdir() if each.is_dir())):
        first = next((each for each in inner.iterdir() if each.is_file()), None)
        if first is not None and (inner != folder or is_sound(first)):
            return is_sound(first)
    return False


def is_sound(path: Path) -> bool:
    """Whether the name is that of a .wav file."""
    return path.suffix.lower() == ".wav"


def read_sounds(folder: Path, options: SeriesOptions, source: str, *, targets: bool = True) -> SeriesSet:
    """Every sound: channels averaged, resampled to `options.rate`, cut or filled up with silence to one length.

    Without `targets`, as at prediction, a folder of sounds or a single one will do.
    """
    files = sound_files(folder, targets=targets)
    if not files:
        raise DataError(
            f"{source} has no .wav files in folders, one for each class; sort them into such folders"
        )
    sounds = [_read(path, options.rate) for path in files]
    length = options.length or max(map(len, sounds))
    values = np.zeros((len(sounds), 1, length), dtype=np.float32)
    for place, sound in enumerate(sounds):
        values[place, 0, : len(sound)] = sound[:length]
    if not targets:
        return SeriesSet(values, ("sound",), (), source, length)
    names = sorted({path.parent.name for path in files})
    code = {name: place for place, name in enumerate(names)}
    codes = np.array([code[path.parent.name] for path in files], dtype=np.int32)
    cut = sum(len(sound) > length for sound in sounds)
    filled = sum(len(sound) < length for sound in sounds)
    notes = (
        f"{options.rate:,} samples a second; {cut} sounds cut and {filled} filled up to {length:,} samples",
    )
    return SeriesSet(
        values, ("sound",), (Column("class", "category", codes, tuple(names)),), source, length, notes=notes
    )


def sound_files(folder: Path, *, targets: bool = True) -> list[Path]:
    """The .wav files in the order of their paths: in folders of classes, or without `targets` wherever they lie."""
    if not targets and not folder.is_dir():
        return [folder]
    found = sorted(each for each in folder.glob("*/*") if is_sound(each))
    return found if found or targets else sorted(each for each in folder.iterdir() if is_sound(each))


def _read(path: Path, rate: int) -> NDArray[np.float32]:
    """−1 to 1, at `rate` samples a second."""
    from scipy.io import wavfile
    from scipy.signal import resample_poly

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of further chunks, which hold no sound
            own, samples = wavfile.read(path)
    except (ValueError, OSError, EOFError, struct.error) as error:
        raise DataError(
            f"{path} does not exist; give a .wav file, or a folder of them"
            if isinstance(error, FileNotFoundError)
            else f"{path} is no .wav file that can be read ({str(error)[:80]}); leave it out"
        ) from None
    if samples.dtype.kind == "u":
        values = samples.astype(np.float64) / 128 - 1
    elif samples.dtype.kind == "i":
        values = samples.astype(np.float64) / -float(np.iinfo(samples.dtype).min)
    else:
        values = samples.astype(np.float64)
    if values.ndim == 2:
        values = values.mean(1)
    if not len(values):
        raise DataError(f"{path} holds no samples; leave it out")
    if own != rate:
        common = math.gcd(own, rate)
        values = resample_poly(values, rate // common, own // common)
    found: NDArray[np.float32] = values.astype(np.float32)
    return found
