"""A process for `test_kill.py`: begins a run, or goes on with it.

python run_to_kill.py OUT EPOCHS
"""

import pathlib
import sys
import warnings

import keras

from keras_seg.data import synthetic
from keras_seg.runs import Settings
from keras_seg.training import resume
from keras_seg.training import train

__all__ = ["run"]


def run(out, epochs, callbacks=()):
    """Trains to the end, from wherever `out` is."""
    warnings.simplefilter("ignore")
    images, masks = synthetic.membranes(8, size=32)
    pairs = list(zip(images, masks, strict=True))
    data, validation = pairs[:6], pairs[6:]
    if pathlib.Path(out).exists():
        resume(out, data, validation, callbacks=callbacks, verbose=0)
        return
    settings = Settings(
        model="unet",
        backbone=None,
        weights=None,
        options={"filters": 2, "depth": 1, "dropout": 0.5},
        epochs=epochs,
        batch_size=2,
        crop=32,
        learning_rate=1e-2,
    )
    classes = synthetic.MEMBRANE_CLASSES
    train(
        settings,
        data,
        validation,
        out,
        class_table=classes,
        callbacks=callbacks,
        verbose=0,
    )


if __name__ == "__main__":

    def say(text):
        print(text, flush=True)

    says = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: say("begin"),
        on_epoch_end=lambda epoch, logs: say("epoch"),
    )
    run(sys.argv[1], int(sys.argv[2]), [says])
    say("end")
