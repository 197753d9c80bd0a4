"""From sources to `ImageSet`, from `ImageSet` to batches, and `Preprocess`, which travels with the model.

Begin with `image_set.py`, then `preprocess.py` and `batches.py`.

Order, highest first; each imports only from below:

- validation
- sources
- balanced_batches · class_batches · shards
- batches
- augmentation · catalogue · class_splits · decode · long_tail · splits
- downloads · formats · image_set
- data_root · given_arrays · images · indexing · preprocess · stratified
"""
