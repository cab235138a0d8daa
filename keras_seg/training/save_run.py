"""The callback that writes a run folder while a model trains."""

import math

import keras

__all__ = ["SaveRun"]


class SaveRun(keras.callbacks.Callback):
    """Writes the history, the last and the best model after every epoch.

    In place of `keras.callbacks.ModelCheckpoint`, which writes over the old
    file: after a crash in the midst of it neither the old model nor the new
    one is left.

    Args:
        run: `keras_seg.training.RunFolder`.
        monitor: str, the metric whose largest value makes a model the best.
            Without it in the logs, there is no best model.

    Example:

    ```python
    run = RunFolder.create("runs/a", settings, classes)
    model.fit(batches, validation_data=held_out, callbacks=[SaveRun(run)])
    ```
    """

    def __init__(self, run, monitor="val_mean_iou"):
        super().__init__()
        self.run = run
        self.monitor = monitor
        self.best = -math.inf
        self.rows = []

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **logs})
        # An epoch that ended early, on a NaN, has no validation.
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        rows = [{name: r.get(name, "") for name in names} for r in self.rows]
        self.run.write_table("history.csv", rows)
        if not math.isfinite(logs.get("loss", 0.0)):
            return  # The last good model stays.
        self.run.save_model(self.model, "model.keras")
        if logs.get(self.monitor, -math.inf) > self.best:
            self.best = logs[self.monitor]
            self.run.save_model(self.model, "best.keras")
