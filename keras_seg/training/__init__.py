"""Training: recipes, callbacks, `train`, `resume`, `dry_run`.

What a run folder holds is in `keras_seg.runs`; its names are here, too.
"""

from keras_seg.applications.batch_norm import freeze_batch_norm
from keras_seg.runs import DataSource
from keras_seg.runs import RunError
from keras_seg.runs import RunFolder
from keras_seg.runs import RunWarning
from keras_seg.runs import Settings
from keras_seg.training import recipes
from keras_seg.training.callbacks import SamplePanels
from keras_seg.training.callbacks import WatchClasses
from keras_seg.training.callbacks import run_callbacks
from keras_seg.training.distillation import distill
from keras_seg.training.estimates import DryRun
from keras_seg.training.estimates import dry_run
from keras_seg.training.freezing import freeze_backbone
from keras_seg.training.freezing import unfreeze
from keras_seg.training.save_run import SaveRun
from keras_seg.training.setup import build_model
from keras_seg.training.suggest import RangeTest
from keras_seg.training.suggest import find_learning_rate
from keras_seg.training.suggest import fit_epochs
from keras_seg.training.suggest import suggest_settings
from keras_seg.training.train import resume
from keras_seg.training.train import train
from keras_seg.training.tuning import default_search
from keras_seg.training.tuning import tune

__all__ = [
    "DataSource",
    "DryRun",
    "RangeTest",
    "RunError",
    "RunFolder",
    "RunWarning",
    "SamplePanels",
    "SaveRun",
    "Settings",
    "WatchClasses",
    "build_model",
    "default_search",
    "distill",
    "dry_run",
    "find_learning_rate",
    "fit_epochs",
    "freeze_backbone",
    "freeze_batch_norm",
    "recipes",
    "resume",
    "run_callbacks",
    "suggest_settings",
    "train",
    "tune",
    "unfreeze",
]
