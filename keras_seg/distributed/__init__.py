"""Training on several devices, by what the backend has for it; Ray's workers.

`distribute` returns an engine, which `keras_seg.training.train` and `fit`
take. It needs Keras, which is imported on first use: workers predict by
exported networks where no backend is installed.
"""

from typing import TYPE_CHECKING

from keras_seg.lazy import getter

if TYPE_CHECKING:
    from keras_seg.distributed.engines import Engine
    from keras_seg.distributed.engines import distribute
    from keras_seg.distributed.engines import processes_here

__all__ = ["Engine", "distribute", "processes_here"]

__getattr__ = getter(__name__, dict.fromkeys(__all__, "engines"))
