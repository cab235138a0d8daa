"""Training: settings, the recipe, the run folder, `train`, `resume`."""

from keras_seg.applications.batch_norm import freeze_batch_norm
from keras_seg.training import recipes
from keras_seg.training.callbacks import run_callbacks
from keras_seg.training.dry_run import DryRun
from keras_seg.training.dry_run import dry_run
from keras_seg.training.errors import RunError
from keras_seg.training.errors import RunWarning
from keras_seg.training.freezing import freeze_backbone
from keras_seg.training.freezing import unfreeze
from keras_seg.training.models import build_model
from keras_seg.training.resume import resume
from keras_seg.training.run_folder import RunFolder
from keras_seg.training.samples import SamplePanels
from keras_seg.training.save_run import SaveRun
from keras_seg.training.settings import Settings
from keras_seg.training.source import DataSource
from keras_seg.training.suggest import suggest_settings
from keras_seg.training.train import train
from keras_seg.training.watch import WatchClasses

__all__ = [
    "DataSource",
    "DryRun",
    "RunError",
    "RunFolder",
    "RunWarning",
    "SamplePanels",
    "SaveRun",
    "Settings",
    "WatchClasses",
    "build_model",
    "dry_run",
    "freeze_backbone",
    "freeze_batch_norm",
    "recipes",
    "resume",
    "run_callbacks",
    "suggest_settings",
    "train",
    "unfreeze",
]
