"""ImageIndex: pictures in, similar pictures out; an index of vectors together with the network that makes them.

M queries, D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from convnets.checkpoints.model_folder import TrainedModel, load_model
from convnets.core.hardware import Hardware
from convnets.core.progress import Progress
from convnets.data.images.image_inputs import Picture, expand_folders, name_of, open_given
from convnets.errors import ImageIndexError, InputError
from convnets.retrieval.backends.engines import new_engine, open_engine
from convnets.retrieval.backends.stored_index import StoredIndex
from convnets.retrieval.building.build import Failures, build_into, describe_listing, finish
from convnets.retrieval.building.listing import Images, Listing, list_images
from convnets.retrieval.building.saving import begin_folder, forget_rows, read_descriptor, save_rows
from convnets.retrieval.descriptors.descriptor import Descriptor
from convnets.retrieval.descriptors.embedder import Embedder
from convnets.retrieval.entries import Entries
from convnets.retrieval.hit import Hit
from convnets.retrieval.index import Index
from convnets.retrieval.metadata_filter import Filter, MetadataFilter
from convnets.retrieval.results.hits import Hits
from convnets.retrieval.results.indexed_picture import IndexedPictures
from convnets.retrieval.storage.index_folder import MODEL_FOLDER, IndexFolder
from convnets.training.runs.run import Run

__all__ = ["ImageIndex", "Network"]

Network = TrainedModel | Run | Path | str | Embedder
"""What can make vectors: a trained model, a run, or the folder of either."""


class ImageIndex:
    """Finds images that a network holds to be alike.

    >>> from convnets.data.preprocess import Preprocess
    >>> from convnets.data.sources import load_data
    >>> from convnets.models.catalogue import create_model
    >>> network = create_model("mlp", seed=0, input_size=8)
    >>> model = TrainedModel(network, (), Preprocess.plain(channels=1, size=8))
    >>> index = ImageIndex.build(model, list_images("digits", part="test"))
    >>> query = load_data("digits").test.pixels[5]
    >>> [hit.path for hit in index.search(query, k=1)]
    ['digits/test/5']
    """

    def __init__(
        self,
        embedder: Embedder,
        index: Index,
        folder: IndexFolder | None = None,
        listings: Sequence[Listing] = (),
        failures: Failures = (),
    ) -> None:
        self.embedder, self.index, self.folder = embedder, index, folder
        self.failures = failures
        """Paths of pictures that could not be read, and why."""
        self.listings = list(listings)
        """What was indexed in this process: where pictures of hits are taken from without being looked for."""

    def __repr__(self) -> str:
        return f"ImageIndex({len(self.index):,} images, vectors of {self.index.dimension} numbers)"

    @classmethod
    def build(
        cls,
        network: Network,
        images: Images | Listing,
        folder: Path | str | None = None,
        *,
        descriptor: Descriptor | None = None,
        hardware: Hardware | None = None,
        engine: str | Index = "exact",
        precision: str = "fp32",
        strict: bool = False,
        progress: Progress | None = None,
    ) -> ImageIndex:
        """Describe images and index them; with a `folder`, on disk as well.

        A build that was killed goes on when it is called again with the same network, images and folder.

        Args:
            network: a TrainedModel, a run or a model folder.
            images: an ImageSet, a data set's name, a folder or zip of pictures, a list of pictures, or a listing.
            descriptor: stage and pooling; None is what the network was trained for, else its embedding.
            hardware: where the network runs and in which precision; None is its own device, in float32.
            engine: `exact`, `hnsw`, `ivfpq`, or an index to fill, such as a QdrantIndex.
            precision: how vectors are stored, `fp32` or `bf16`.
            strict: a picture that cannot be read raises, instead of being left out and listed in `failures`.

        Raises ImageIndexError when the folder holds another index, DataError when no picture can be read.
        """
        embedder = Embedder.of(network.path if isinstance(network, Run) else network, descriptor, hardware)
        listing = images if isinstance(images, Listing) else list_images(images)
        if isinstance(engine, str):
            index: Index = new_engine(engine, embedder.dimension, precision)
        else:
            index = engine
        opened = None
        if folder is not None:
            opened = begin_folder(Path(folder), embedder, listing, index, precision)
            if isinstance(index, StoredIndex):
                index.store = opened.read()
        failures = build_into(index, embedder, listing, opened, strict=strict, progress=progress)
        return cls(embedder, index, opened, [listing], failures)

    @classmethod
    def load(
        cls, folder: Path | str, network: Network | None = None, *, hardware: Hardware | None = None
    ) -> ImageIndex:
        """The index of a folder, verified; queries are described by the network kept there, or by `network`.

        Raises ImageIndexError when the folder is missing, damaged or unfinished, or was built by another network.
        """
        opened = IndexFolder.open(folder)
        manifest = opened.manifest
        if manifest.build:
            done, total = manifest.build.get("done"), manifest.build.get("images")
            raise ImageIndexError(
                f"{folder} is unfinished: {done} of {total} images of {manifest.build.get('source')}; "
                "run the same build again, it goes on from there"
            )
        if network is None:
            network = load_model(opened.path / MODEL_FOLDER, "cpu" if hardware is None else hardware.device)
        source = network.path if isinstance(network, Run) else network
        embedder = Embedder.of(source, read_descriptor(opened), hardware)
        embedder.check(manifest.made_by, str(folder))
        return cls(embedder, open_engine(opened), opened, failures=manifest.failures)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def entries(self) -> Entries:
        """Paths and columns; raises InputError for an index that keeps them elsewhere."""
        return self.stored.store.entries

    @property
    def vectors(self) -> Tensor:
        """float32 N×D, in the order of the entries."""
        return self.stored.store.all()

    @property
    def stored(self) -> StoredIndex:
        """The index, when its vectors are in this process; raises InputError otherwise."""
        if not isinstance(self.index, StoredIndex):
            raise InputError(
                f"a {type(self.index).__name__} keeps its vectors elsewhere; allowed: a local index"
            )
        return self.index

    def describe(self, pictures: Picture | Sequence[Picture]) -> Tensor:
        """float32 M×D: the vectors of pictures of any size; raises ImageDecodeError for one that cannot be read."""
        pictures = expand_folders(pictures)
        if not pictures:
            raise InputError("no pictures are given; at least one is needed")
        names = [name_of(picture, place) for place, picture in enumerate(pictures)]
        pixels = [self.embedder.store(picture, name) for picture, name in zip(pictures, names, strict=True)]
        vectors = [self.embedder(part, names[0]) for part in torch.split(torch.stack(pixels), 64)]
        return torch.cat(vectors)

    def search(self, image: Picture, k: int = 10, *, where: Filter | MetadataFilter | None = None) -> Hits:
        """The k most similar images of the index, the nearest first.

        image: a picture as `Predictor.predict` takes it: a file, an open file or its bytes, a PIL picture, a tensor
            H×W or C×H×W, an array H×W or H×W×C; or a vector, float D.
        where: values that columns must have, such as `{"class": "Bag"}` or `{"part": ["train", "test"]}`.
        """
        if isinstance(image, np.ndarray) and image.ndim == 1:
            image = torch.from_numpy(image.astype(np.float32))
        if isinstance(image, Tensor) and image.ndim == 1:
            return Hits(self.index.search(image[None], k, where=where)[0], None, self._pictures())
        query = open_given(image, name_of(image, 0))
        return Hits(self.search_many([query], k, where=where)[0], query, self._pictures())

    def search_many(
        self,
        images: Picture | Sequence[Picture],
        k: int = 10,
        *,
        where: Filter | MetadataFilter | None = None,
    ) -> list[list[Hit]]:
        """The hits of each of several images."""
        return self.index.search(self.describe(images), k, where=where)

    def _pictures(self) -> IndexedPictures:
        return IndexedPictures(self.listings)

    def add(
        self, images: Images | Listing, *, strict: bool = False, progress: Progress | None = None
    ) -> Failures:
        """Index more images, all of them or, when anything fails, none; returns those that could not be read."""
        listing = images if isinstance(images, Listing) else list_images(images)
        parts = list(describe_listing(self.embedder, listing, strict=strict, progress=progress))
        failures = tuple(failure for part in parts for failure in part.failures)
        described = [part for part in parts if len(part.entries)]
        if described:
            entries = Entries([])
            for part in described:
                entries.extend(part.entries)
            save_rows(
                self.index, self.folder, torch.cat([part.vectors for part in described]), entries, failures
            )
        self.listings.append(listing)
        self.failures += failures
        return failures

    def remove(self, paths: Sequence[str]) -> None:
        """Forget the images of these paths, all of them or, when one is not here, none."""
        forget_rows(self.index, self.folder, paths)

    def save(self, folder: Path | str) -> Path:
        """Write the index, with the network, to a new or empty folder; from then on changes go there, too."""
        path = Path(folder)
        listing = Listing(torch.empty(0), Entries([]), "an index in memory", "")
        store = self.stored.store
        opened = begin_folder(path, self.embedder, listing, self.index, store.precision)
        opened.append(store, 0)
        finish(self.index, opened, self.failures)
        self.folder = opened
        return path
