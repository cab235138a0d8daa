"""The callbacks of a run, for `train` and for a `fit` of one's own."""

from keras_seg.training.samples import SamplePanels
from keras_seg.training.save_run import SaveRun
from keras_seg.training.watch import StopAtNaN
from keras_seg.training.watch import WatchClasses

__all__ = ["run_callbacks"]


def run_callbacks(run, samples=None):
    """What writes a run folder while a model trains, and watches over it.

    Args:
        run: `keras_seg.training.RunFolder`.
        samples: optional data, `keras_seg.data.Folder` or any sequence of
            `(image, mask)`, to draw predictions of: the validation images.

    Returns:
        List of callbacks for `fit`: `StopAtNaN`, `WatchClasses`,
        `SamplePanels` and, last, `SaveRun`. Others go before the last.

    Example:

    ```python
    run = training.RunFolder.create("runs/a", None, classes)
    model.fit(
        batches,
        validation_data=held_out,
        callbacks=training.run_callbacks(run, validation),
    )
    ```
    """
    return [
        StopAtNaN(),
        WatchClasses(run.classes),
        *([] if samples is None else [SamplePanels(run, samples)]),
        SaveRun(run),
    ]
