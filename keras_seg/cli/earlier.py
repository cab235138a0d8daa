"""What an earlier call of `keras-seg predict` wrote."""

import json
import pathlib

from keras_seg.atomic import replacing

__all__ = ["Earlier"]

NAME = "predict.json"


class Earlier:
    """The predictions of one model with the same options, in a folder.

    A file in the folder says what they were made with. What is older than
    that file was made with something else.

    Args:
        folder: path that predictions are written to.
        model: path of the file of the model.
        options: dictionary of what else decides what is predicted.
    """

    def __init__(self, folder, model, options):
        self._record = pathlib.Path(folder) / NAME
        self._made_with = {
            "model": str(pathlib.Path(model).absolute()),
            "modified": pathlib.Path(model).stat().st_mtime_ns,
            **json.loads(json.dumps(options)),
        }
        try:
            recorded = json.loads(self._record.read_text())
        except (OSError, ValueError):
            recorded = None
        self._is_same = recorded == self._made_with

    def has(self, image, targets):
        """Whether an image was predicted by this model, and is as it was.

        Args:
            image: path.
            targets: paths of what is written for it.
        """
        files = [*targets, image]
        if not self._is_same or not all(file.is_file() for file in files):
            return False
        oldest = min(target.stat().st_mtime_ns for target in targets)
        newest = max(file.stat().st_mtime_ns for file in (image, self._record))
        return oldest >= newest

    def begin(self):
        """Notes what is predicted with from here on."""
        if not self._is_same:
            with replacing(self._record) as temporary:
                temporary.write_text(json.dumps(self._made_with, indent=2))
