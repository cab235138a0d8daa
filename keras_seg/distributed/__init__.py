"""Training on several devices, by what the backend has for it.

`distribute` returns an engine, which `keras_seg.training.train` and `fit`
take.
"""

from keras_seg.distributed.distribute import distribute
from keras_seg.distributed.distribute import processes_here
from keras_seg.training.engine import Engine

__all__ = ["Engine", "distribute", "processes_here"]
