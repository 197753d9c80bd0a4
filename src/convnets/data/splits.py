"""Split a part off an ImageSet, for validation: stratified, or with the same number of images of each class."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convnets.core.seeds import derive_seed, generator_for
from convnets.data.image_set import ImageSet
from convnets.data.stratified import stratified_part
from convnets.errors import ConfigError, DataError

__all__ = ["split_off"]

_REMEDY = "give more images, or train without a validation part: validation=0 (--validation 0)"


def split_off(
    image_set: ImageSet, fraction: float | int, *, seed: int, balanced: bool = False, company: int = 1
) -> tuple[ImageSet, ImageSet]:
    """Split `image_set` into (rest, part); the part takes a float `fraction` in (0, 1), or an int of images.

    Stratified: each class has the same share of the part as of the whole, to within one image. `balanced`: each
    class has the same number of images in the part, the size rounded down to a multiple of the classes. `company`:
    a class that is in the part has at least so many images there, and so many stay behind; where a stratified part
    would have fewer, some classes are left out of it. Which images go is a pure function of labels and `seed`; both
    sides keep the order of the set. Classes without any image are passed over. Raises ConfigError for a size that is
    not allowed, DataError naming the class that has too few images.

    >>> images = torch.zeros(10, 1, 4, 4, dtype=torch.uint8)
    >>> set_ = ImageSet(images, torch.tensor([0, 1] * 5), ("a", "b"), "an example")
    >>> rest, part = split_off(set_, 0.4, seed=0)
    >>> rest.class_counts(), part.class_counts()
    ({'a': 3, 'b': 3}, {'a': 2, 'b': 2})
    """
    count = _part_size(fraction, len(image_set))
    if balanced:
        chosen = _balanced(image_set, count, seed)
    elif company > 1 and _fewest(image_set, count) < company:
        chosen = _in_company(image_set, count, seed, company)
    else:
        chosen = _stratified(image_set, count, seed)
    in_part = torch.zeros(len(image_set), dtype=torch.bool)
    in_part[chosen] = True
    return image_set.subset((~in_part).nonzero().flatten()), image_set.subset(in_part.nonzero().flatten())


def _part_size(fraction: float | int, images: int) -> int:
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)):
        raise ConfigError(
            f"split is {fraction!r}; allowed: a fraction between 0 and 1, or a number of images"
        )
    if isinstance(fraction, int):
        count = fraction
    elif 0 < fraction < 1:
        count = round(fraction * images)
    else:
        raise ConfigError(
            f"split is {fraction}; allowed: a fraction between 0 and 1, or a whole number of images"
        )
    if not 1 <= count < images:
        share = f"{fraction:g} of " if isinstance(fraction, float) else ""
        raise ConfigError(
            f"a split that takes {share}{images} image{'s' * (images != 1)} would hold {count}; "
            f"allowed: at least 1 on both sides; {_REMEDY}"
        )
    return count


def _fewest(image_set: ImageSet, count: int) -> int:
    """Images that the smallest class has in a stratified part, or leaves behind."""
    share = count / len(image_set)
    counts = [found for found in image_set.class_counts().values() if found]
    return min(math.floor(min(share, 1 - share) * found) for found in counts)


def _in_company(image_set: ImageSet, count: int, seed: int, company: int) -> Tensor:
    """Classes in random order, each with its share or `company` images, until there are `count`."""
    share, chosen, left = count / len(image_set), list[Tensor](), count
    found = torch.bincount(image_set.labels, minlength=len(image_set.classes)).tolist()
    for label in torch.randperm(len(found), generator=generator_for(seed, "split in company")).tolist():
        take = max(company, round(share * found[label]))
        if take + company > found[label] or left <= 0:
            continue
        members = (image_set.labels == label).nonzero().flatten()
        order = torch.randperm(len(members), generator=generator_for(seed, "split in company", label))
        chosen.append(members[order[:take]])
        left -= take
    if not chosen:
        raise DataError(
            f"{image_set.source}: no class has {2 * company} images, of which {company} could be validated and "
            f"{company} learned from; {_REMEDY}"
        )
    return torch.cat(chosen)


def _stratified(image_set: ImageSet, count: int, seed: int) -> Tensor:
    counts = {name: found for name, found in image_set.class_counts().items() if found}
    for name, found in counts.items():
        if found < 2:
            raise DataError(
                f"{image_set.source}: class {name!r} has 1 image; a validation part needs 2 or more of each; {_REMEDY}"
            )
    smaller = min(count, len(image_set) - count)
    if smaller < len(counts):
        raise DataError(
            f"{image_set.source}: a split into {len(image_set) - count} and {count} images cannot hold each of "
            f"{len(counts)} classes on both sides; allowed: {len(counts)} or more on each; {_REMEDY}"
        )
    part = stratified_part(image_set.labels.numpy(), count, derive_seed(seed, "split") % 2**32)
    return torch.tensor(part)


def _balanced(image_set: ImageSet, count: int, seed: int) -> Tensor:
    counts = {label: n for label, n in enumerate(torch.bincount(image_set.labels).tolist()) if n}
    each = count // len(counts)
    if each == 0:
        raise ConfigError(
            f"balanced split takes {count} images for {len(counts)} classes; allowed: 1 or more of each"
        )
    chosen = []
    for label, found in counts.items():
        if found <= each:
            name = image_set.classes[label]
            raise DataError(
                f"{image_set.source}: class {name!r} has {found} images; a balanced split takes {each} of each class "
                f"and must leave 1; ask for fewer than {len(counts) * found}"
            )
        members = (image_set.labels == label).nonzero().flatten()
        order = torch.randperm(found, generator=generator_for(seed, "balanced split", label))
        chosen.append(members[order[:each]])
    return torch.cat(chosen)
