"""convnets: the classic convolutional networks, built, trained, evaluated and used on real images.

Images become an ImageSet; an ImageSet becomes batches; a network from the catalogue learns from batches and
leaves a run; a run holds one model folder; everything else starts from that model folder.

>>> import convnets
>>> network = convnets.create_model("lenet", in_channels=1, num_classes=10)
>>> sum(p.numel() for p in network.parameters())
61706
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from convnets.core.thread_waiting import shorten_waiting

if TYPE_CHECKING:
    from convnets import errors as errors
    from convnets import layers as layers
    from convnets.checkpoints.hub_model import from_pretrained as from_pretrained
    from convnets.checkpoints.model_folder import TrainedModel as TrainedModel
    from convnets.checkpoints.model_folder import load_model as load_model
    from convnets.checkpoints.model_folder import save_model as save_model
    from convnets.checkpoints.table_model import load_table_model as load_table_model
    from convnets.data.batches import Batches as Batches
    from convnets.data.image_set import ImageSet as ImageSet
    from convnets.data.image_set import Splits as Splits
    from convnets.data.preprocess import Preprocess as Preprocess
    from convnets.data.sources import list_data as list_data
    from convnets.data.sources import load_data as load_data
    from convnets.data.validation.check import check_data as check_data
    from convnets.evaluation.evaluate import evaluate as evaluate
    from convnets.evaluation.evaluation import Evaluation as Evaluation
    from convnets.explanation.explain import explain as explain
    from convnets.inspection.cost.difference import diff as diff
    from convnets.inspection.cost.summary import inspect as inspect
    from convnets.inspection.drawing.draw import draw as draw
    from convnets.inspection.health.measure import measure_health as measure_health
    from convnets.inspection.parameters.changes import freeze as freeze
    from convnets.inspection.parameters.changes import unfreeze as unfreeze
    from convnets.inspection.parameters.listing import list_parameters as list_parameters
    from convnets.inspection.parameters.network_slice import slice_network as slice_network
    from convnets.inspection.receptive_field.effective_field import effective_field as effective_field
    from convnets.inspection.receptive_field.fields import receptive_fields as receptive_fields
    from convnets.models.catalogue import create_model as create_model
    from convnets.models.catalogue import list_models as list_models
    from convnets.models.outgoing_weights import to_timm_state_dict as to_timm_state_dict
    from convnets.models.outgoing_weights import to_torchvision_state_dict as to_torchvision_state_dict
    from convnets.models.torchvision_weights import load_torchvision_state_dict as load_torchvision_state_dict
    from convnets.recipes.catalogue import get_recipe as get_recipe
    from convnets.recipes.catalogue import list_recipes as list_recipes
    from convnets.recipes.reproduce import reproduce as reproduce
    from convnets.retrieval.descriptors.describe import describe as describe
    from convnets.retrieval.descriptors.descriptor import Descriptor as Descriptor
    from convnets.retrieval.evaluation.metrics import evaluate_retrieval as evaluate_retrieval
    from convnets.retrieval.image_index import ImageIndex as ImageIndex
    from convnets.selection.comparing.replicate import replicate as replicate
    from convnets.selection.folds.cross_validate import cross_validate as cross_validate
    from convnets.selection.labels.label_errors import find_label_errors as find_label_errors
    from convnets.selection.search.tune import tune as tune
    from convnets.series.load_series import load_series as load_series
    from convnets.series.series_set import SeriesSet as SeriesSet
    from convnets.serving.export.hub_export import export_hub as export_hub
    from convnets.serving.export.hub_push import push_to_hub as push_to_hub
    from convnets.serving.predictor import Predictor as Predictor
    from convnets.serving.table_predictor import TablePredictor as TablePredictor
    from convnets.tables.load_table import load_table as load_table
    from convnets.tables.table_set import TableSet as TableSet
    from convnets.training.config import TrainConfig as TrainConfig
    from convnets.training.objectives.triplet_loss import TripletLoss as TripletLoss
    from convnets.training.runs.run import Run as Run
    from convnets.training.tables.fit_linear import fit_linear as fit_linear
    from convnets.training.train import resume as resume
    from convnets.training.train import train as train

shorten_waiting()  # before PyTorch is loaded

# The public names, once. Each is imported when it is first asked for, so that `import convnets` stays fast.
_HOME = {
    "Batches": "convnets.data.batches",
    "Descriptor": "convnets.retrieval.descriptors.descriptor",
    "Evaluation": "convnets.evaluation.evaluation",
    "ImageIndex": "convnets.retrieval.image_index",
    "ImageSet": "convnets.data.image_set",
    "Predictor": "convnets.serving.predictor",
    "Preprocess": "convnets.data.preprocess",
    "Run": "convnets.training.runs.run",
    "SeriesSet": "convnets.series.series_set",
    "Splits": "convnets.data.image_set",
    "TablePredictor": "convnets.serving.table_predictor",
    "TableSet": "convnets.tables.table_set",
    "TrainConfig": "convnets.training.config",
    "TrainedModel": "convnets.checkpoints.model_folder",
    "TripletLoss": "convnets.training.objectives.triplet_loss",
    "check_data": "convnets.data.validation.check",
    "create_model": "convnets.models.catalogue",
    "cross_validate": "convnets.selection.folds.cross_validate",
    "d2l": "convnets",
    "describe": "convnets.retrieval.descriptors.describe",
    "diff": "convnets.inspection.cost.difference",
    "draw": "convnets.inspection.drawing.draw",
    "effective_field": "convnets.inspection.receptive_field.effective_field",
    "errors": "convnets",
    "evaluate": "convnets.evaluation.evaluate",
    "evaluate_retrieval": "convnets.retrieval.evaluation.metrics",
    "explain": "convnets.explanation.explain",
    "export_hub": "convnets.serving.export.hub_export",
    "find_label_errors": "convnets.selection.labels.label_errors",
    "fit_linear": "convnets.training.tables.fit_linear",
    "freeze": "convnets.inspection.parameters.changes",
    "from_pretrained": "convnets.checkpoints.hub_model",
    "get_recipe": "convnets.recipes.catalogue",
    "inspect": "convnets.inspection.cost.summary",
    "layers": "convnets",
    "list_data": "convnets.data.sources",
    "list_models": "convnets.models.catalogue",
    "list_parameters": "convnets.inspection.parameters.listing",
    "list_recipes": "convnets.recipes.catalogue",
    "load_data": "convnets.data.sources",
    "load_model": "convnets.checkpoints.model_folder",
    "load_series": "convnets.series.load_series",
    "load_table": "convnets.tables.load_table",
    "load_table_model": "convnets.checkpoints.table_model",
    "load_torchvision_state_dict": "convnets.models.torchvision_weights",
    "measure_health": "convnets.inspection.health.measure",
    "push_to_hub": "convnets.serving.export.hub_push",
    "receptive_fields": "convnets.inspection.receptive_field.fields",
    "replicate": "convnets.selection.comparing.replicate",
    "reproduce": "convnets.recipes.reproduce",
    "resume": "convnets.training.train",
    "save_model": "convnets.checkpoints.model_folder",
    "slice_network": "convnets.inspection.parameters.network_slice",
    "to_timm_state_dict": "convnets.models.outgoing_weights",
    "to_torchvision_state_dict": "convnets.models.outgoing_weights",
    "train": "convnets.training.train",
    "tune": "convnets.selection.search.tune",
    "unfreeze": "convnets.inspection.parameters.changes",
}
__all__ = list(_HOME)
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'convnets' has no attribute {name!r}")
    if _HOME[name] == "convnets":  # a module
        return importlib.import_module(f"convnets.{name}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
