"""The callback that draws, epoch by epoch, what the network predicts."""

import keras
import numpy as np

from keras_seg.inference import predict

__all__ = ["SamplePanels"]


class SamplePanels(keras.callbacks.Callback):
    """Writes `samples/epoch_001.png`, … into a run folder.

    Image, truth, prediction and error of a few images, the same in every
    epoch, spread evenly over the data.

    Args:
        run: `keras_seg.training.RunFolder`.
        data: `keras_seg.data.Folder`, or any sequence of `(image, mask)`:
            the validation images if there are some.
        count: int, number of images. Each costs one prediction an epoch.
    """

    def __init__(self, run, data, count=3):
        super().__init__()
        self.run = run
        self.data = data
        count = min(count, len(data))
        # From the middles of `count` equal parts.
        places = (np.arange(count) + 0.5) * len(data) / count
        self.indices = places.astype(int).tolist()

    def on_epoch_end(self, epoch, logs=None):
        from keras_seg.visualization import comparison

        examples = []
        for index in self.indices:
            image, mask = map(np.asarray, self.data[index])
            prediction = predict(self.model, image)
            examples.append((self._title(index), image, mask, prediction))
        picture = comparison(examples, self.run.classes)
        self.run.write_picture(f"samples/epoch_{epoch + 1:03d}.png", picture)

    def _title(self, index):
        pairs = getattr(self.data, "pairs", None)
        return f"image {index}" if pairs is None else str(pairs[index].stem)
