"""Training: the settings of a run, the recipe, the run folder, `train`."""

from keras_seg.applications.batch_norm import freeze_batch_norm
from keras_seg.training import recipes
from keras_seg.training.freezing import freeze_backbone
from keras_seg.training.freezing import unfreeze
from keras_seg.training.models import build_model
from keras_seg.training.run_folder import RunError
from keras_seg.training.run_folder import RunFolder
from keras_seg.training.save_run import SaveRun
from keras_seg.training.settings import Settings
from keras_seg.training.suggest import suggest_settings
from keras_seg.training.train import train

__all__ = [
    "RunError",
    "RunFolder",
    "SaveRun",
    "Settings",
    "build_model",
    "freeze_backbone",
    "freeze_batch_norm",
    "recipes",
    "suggest_settings",
    "train",
    "unfreeze",
]
