"""The corruptions again, written from their definitions, slowly: one image, loops over pixels, float64."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

Picture = np.ndarray[Any, Any]  # C×H×W from 0 to 1


def at(x: Picture, row: float, column: float) -> Picture:
    """C values between pixels; the edge goes on."""
    height, width = x.shape[1:]
    row, column = min(max(row, 0.0), height - 1.0), min(max(column, 0.0), width - 1.0)
    top, left = math.floor(row), math.floor(column)
    down, right = row - top, column - left
    below, beside = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = x[:, top, left] * (1 - right) + x[:, top, beside] * right
    lower = x[:, below, left] * (1 - right) + x[:, below, beside] * right
    return np.asarray(upper * (1 - down) + lower * down)


def mapped(x: Picture, place: Any) -> Picture:
    """Each pixel from where `place(row, column)` says."""
    found = np.zeros_like(x)
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            found[:, row, column] = at(x, *place(row, column))
    return found


def smooth(x: Picture, sigma: float) -> Picture:
    if int(4 * sigma + 0.5) == 0:
        return x
    return np.stack([ndimage.gaussian_filter(channel, sigma, mode="nearest") for channel in x])


def gaussian_noise(x: Picture, severity: int, noise: Picture) -> Picture:
    return x + [0.04, 0.06, 0.08, 0.09, 0.10][severity - 1] * noise


def shot_noise(x: Picture, severity: int, counts: Picture) -> Picture:
    return counts / [500, 250, 100, 75, 50][severity - 1]


def impulse_noise(x: Picture, severity: int, chance: Picture) -> Picture:
    amount = [0.01, 0.02, 0.03, 0.05, 0.07][severity - 1]
    found = x.copy()
    for place in np.ndindex(x.shape):
        if chance[place] < amount / 2:
            found[place] = 0
        elif chance[place] >= 1 - amount / 2:
            found[place] = 1
    return found


def defocus_blur(x: Picture, severity: int) -> Picture:
    radius, softness = [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)][severity - 1]
    radius *= max(1, x.shape[-1] / 32)
    reach = 4
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    for i in range(-reach, reach + 1):
        for j in range(-reach, reach + 1):
            kernel[i + reach, j + reach] = i * i + j * j <= radius * radius
    edge = np.exp(-0.5 * (np.array([-1, 0, 1]) / softness) ** 2)
    kernel = ndimage.convolve(kernel, np.outer(edge, edge), mode="constant")
    kernel /= kernel.sum()
    return np.stack([ndimage.correlate(channel, kernel, mode="mirror") for channel in x])


def glass_blur(x: Picture, severity: int, swaps: Picture) -> Picture:
    sigma, reach, rounds = [(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)][severity - 1]
    scale = x.shape[-1] / 32
    sigma, reach = sigma * scale, max(1, round(reach * scale))
    found = smooth(x, sigma).copy()
    side = x.shape[-1]
    for turn in range(rounds):
        for row in range(side - reach - 1, reach, -1):
            for column in range(side - reach - 1, reach, -1):
                down, right = (math.floor(2 * reach * u) - reach for u in swaps[turn, row, column])
                kept = found[:, row, column].copy()
                found[:, row, column] = found[:, row + down, column + right]
                found[:, row + down, column + right] = kept
    return smooth(found, sigma)


def line(x: Picture, radius: float, sigma: float, degrees: float) -> Picture:
    steps = range(2 * round(radius) + 1)
    weights = [math.exp(-i * i / (2 * sigma * sigma)) for i in steps]
    found = np.zeros_like(x)
    for i in steps:
        down = math.floor(i * math.sin(math.radians(degrees)) + 0.5)
        right = math.floor(i * math.cos(math.radians(degrees)) + 0.5)
        moved = mapped(x, lambda row, column, d=down, r=right: (row + d, column + r))
        found += weights[i] / sum(weights) * moved
    return found


def motion_blur(x: Picture, severity: int, turned: float) -> Picture:
    radius, sigma = [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)][severity - 1]
    scale = x.shape[-1] / 32
    return line(x, radius * scale, sigma * scale, 90 * turned - 45)


def zoomed(x: Picture, factor: float) -> Picture:
    middle = (x.shape[-1] - 1) / 2
    return mapped(x, lambda r, c: (middle + (r - middle) / factor, middle + (c - middle) / factor))


def zoom_blur(x: Picture, severity: int) -> Picture:
    factors = [np.arange(1, end, 0.01) for end in (1.0599, 1.1099, 1.1599, 1.2099, 1.2599)][severity - 1]
    return (x + sum(zoomed(x, factor) for factor in factors)) / (len(factors) + 1)


def gray(x: Picture) -> Picture:
    return x if len(x) == 1 else (0.299 * x[0] + 0.587 * x[1] + 0.114 * x[2])[None]


def snow(x: Picture, severity: int, noise: Picture, turned: float) -> Picture:
    mean, spread, size, threshold, radius, sigma, kept = [
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ][severity - 1]
    scale = x.shape[-1] / 32
    flakes = zoomed(mean + spread * noise, size)
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1)
    flakes = line(flakes, radius * scale, sigma * scale, 90 * turned - 135)
    pale = np.maximum(x, gray(x) * 1.5 + 0.5)
    return kept * x + (1 - kept) * pale + flakes + np.rot90(flakes, 2, axes=(1, 2))


def plasma(side: int, decay: float, chance: Picture) -> Picture:
    """Diamonds and squares, cell by cell, on a ring."""
    size = 1
    while size < side:
        size *= 2
    ground, drawn = np.zeros((size, size)), iter((2 * chance - 1).tolist())
    step, wibble = size, 100.0
    while step >= 2:
        half = step // 2

        def jolt(*four: float, wibble: float = wibble) -> float:
            return sum(four) / 4 + wibble * wibble * next(drawn)

        for i in range(0, size, step):
            for j in range(0, size, step):
                a, b = (i + step) % size, (j + step) % size
                ground[i + half, j + half] = jolt(ground[i, j], ground[a, j], ground[i, b], ground[a, b])
        before = ground.copy()
        for i in range(0, size, step):
            for j in range(0, size, step):
                ground[i, j + half] = jolt(
                    before[i + half, j + half],
                    before[i - half, j + half],
                    before[i, j],
                    before[i, (j + step) % size],
                )
        for i in range(0, size, step):
            for j in range(0, size, step):
                ground[i + half, j] = jolt(
                    before[i + half, j + half],
                    before[i + half, j - half],
                    before[i, j],
                    before[(i + step) % size, j],
                )
        step, wibble = half, wibble / decay
    ground -= ground.min()
    return np.asarray((ground / ground.max())[None, :side, :side])


def frost(x: Picture, severity: int, chance: Picture) -> Picture:
    own, crystals = [(1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)][severity - 1]
    return own * x + crystals * (1 - abs(2 * plasma(x.shape[-1], 1.7, chance) - 1)) ** 4


def fog(x: Picture, severity: int, chance: Picture) -> Picture:
    thickness, decay = [(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)][severity - 1]
    return (x + thickness * plasma(x.shape[-1], decay, chance)) * x.max() / (x.max() + thickness)


def brightness(x: Picture, severity: int) -> Picture:
    import colorsys

    more = [0.05, 0.1, 0.15, 0.2, 0.3][severity - 1]
    if len(x) == 1:
        return x + more
    found = np.zeros_like(x)
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            hue, saturation, value = colorsys.rgb_to_hsv(*x[:, row, column])
            found[:, row, column] = colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + more))
    return found


def contrast(x: Picture, severity: int) -> Picture:
    share = [0.75, 0.5, 0.4, 0.3, 0.15][severity - 1]
    return np.stack([(channel - channel.mean()) * share + channel.mean() for channel in x])


def elastic_transform(x: Picture, severity: int, points: Picture, field: Picture) -> Picture:
    side = x.shape[-1]
    far, sigma, reach = [
        tuple(side * share for share in shares)
        for shares in (
            (0, 0, 0.08),
            (0.05, 0.2, 0.07),
            (0.08, 0.06, 0.06),
            (0.1, 0.04, 0.05),
            (0.1, 0.03, 0.03),
        )
    ][severity - 1]
    middle, third = side // 2, side // 3
    before = np.array(
        [[middle + third] * 2, [middle + third, middle - third], [middle - third] * 2], dtype=float
    )
    after = before + reach * (2 * points - 1)
    back = np.linalg.solve(np.c_[after, np.ones(3)], before)  # (column, row, 1) → where it was
    bent = mapped(x, lambda row, column: tuple((np.array([column, row, 1]) @ back)[::-1]))
    if far == 0:
        return bent
    moved = far * smooth(2 * field - 1, sigma)
    return mapped(bent, lambda r, c: (r + moved[0, r, c], c + moved[1, r, c]))


def pixelate(x: Picture, severity: int) -> Picture:
    side = x.shape[-1]
    fewer = int(side * [0.95, 0.9, 0.85, 0.75, 0.65][severity - 1])
    channels = []
    for channel in x:
        picture = Image.fromarray(channel.astype(np.float32))
        small = picture.resize((fewer, fewer), Image.Resampling.BOX)
        channels.append(np.array(small.resize((side, side), Image.Resampling.BOX)))
    return np.stack(channels)


def jpeg_compression(x: Picture, severity: int) -> Picture:
    array = np.round(x * 255).astype(np.uint8).transpose(1, 2, 0)
    picture = Image.fromarray(array[:, :, 0] if len(x) == 1 else array)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=[80, 65, 58, 50, 40][severity - 1])
    return np.array(Image.open(buffer)).reshape(array.shape).transpose(2, 0, 1) / 255


def shift(x: Picture, severity: int, way: float) -> Picture:
    pixels = max(1, round([1, 2, 3, 4, 6][severity - 1] * x.shape[-1] / 32))
    down, right = [(pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels)][int(4 * way)]
    found = np.zeros_like(x)
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            if 0 <= row - down < x.shape[1] and 0 <= column - right < x.shape[2]:
                found[:, row, column] = x[:, row - down, column - right]
    return found


def around(x: Picture, angle: float, factor: float) -> Picture:
    middle, end = (x.shape[-1] - 1) / 2, x.shape[-1] - 0.5
    found = np.zeros_like(x)
    for row in range(x.shape[1]):
        for column in range(x.shape[2]):
            down, right = (row - middle) / factor, (column - middle) / factor
            r = middle + math.cos(angle) * down - math.sin(angle) * right
            c = middle + math.cos(angle) * right + math.sin(angle) * down
            if -0.5 < r < end and -0.5 < c < end:
                found[:, row, column] = at(x, r, c)
    return found


def rotation(x: Picture, severity: int, way: float) -> Picture:
    angle = math.radians([5, 10, 15, 20, 30][severity - 1])
    return around(x, -angle if way < 0.5 else angle, 1)


def scale(x: Picture, severity: int) -> Picture:
    return around(x, 0, [0.95, 0.9, 0.8, 0.7, 0.6][severity - 1])
