"""Runs in TensorBoard."""

import pathlib
import socket
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_seg.training.tracking.tracker import FOLDER
from keras_seg.training.tracking.tracker import Tracker

__all__ = ["TensorBoard"]


class TensorBoard(Tracker):
    """Writes event files to `tracking/tensorboard`, without TensorFlow.

    `keras.callbacks.TensorBoard` needs TensorFlow. Settings are there as
    hyperparameters.
    """

    name = "tensorboard"

    def open(self, number: str | None) -> str:
        from tensorboard.compat.proto import event_pb2
        from tensorboard.plugins.hparams import plugin_data_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder = self.run.path / FOLDER / "tensorboard"
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        # By their names, TensorBoard reads its files in the order of time.
        name = f"events.out.tfevents.{now:017.6f}.{socket.gethostname()}"
        self._writer = RecordWriter(open(folder / name, "xb"))
        self._event(file_version="brain.Event:2")
        if number is None:
            start = plugin_data_pb2.SessionStartInfo(start_time_secs=now)
            for key, value in self.settings.items():
                hparam = start.hparams[key]
                if isinstance(value, bool):
                    hparam.bool_value = value
                elif isinstance(value, int | float):
                    hparam.number_value = value
                else:
                    hparam.string_value = str(value)
            self._hparams("session_start_info", start)
        else:
            # What a killed run wrote of an epoch that is repeated is void.
            start = event_pb2.SessionLog.START
            log = event_pb2.SessionLog(status=start)
            self._event(session_log=log, step=self.begin + 1)
        return folder.name

    def _event(self, **content: Any) -> None:
        from tensorboard.compat.proto import event_pb2

        event = event_pb2.Event(wall_time=time.time(), **content)
        self._writer.write(event.SerializeToString())
        self._writer.flush()

    def _summary(self, step: int, values: list[dict[str, Any]]) -> None:
        from tensorboard.compat.proto import summary_pb2

        found = [summary_pb2.Summary.Value(**value) for value in values]
        self._event(step=step, summary=summary_pb2.Summary(value=found))

    def _plugin(self, plugin: str, content: bytes = b"") -> dict[str, Any]:
        return {"plugin_data": {"plugin_name": plugin, "content": content}}

    def _hparams(self, name: str, info: Any) -> None:
        from tensorboard.plugins.hparams import plugin_data_pb2

        data = plugin_data_pb2.HParamsPluginData(**{name: info})
        metadata = self._plugin("hparams", data.SerializeToString())
        tag = f"_hparams_/{name}"
        self._summary(0, [{"tag": tag, "metadata": metadata}])

    def scalars(self, step: int, values: dict[str, float]) -> None:
        self._summary(
            step,
            [{"tag": tag, "simple_value": x} for tag, x in values.items()],
        )

    def picture(self, step: int, name: str, path: pathlib.Path) -> None:
        from PIL import Image

        with Image.open(path) as opened:
            width, height = opened.size
        image = {
            "height": height,
            "width": width,
            "colorspace": 3,
            "encoded_image_string": path.read_bytes(),
        }
        self._summary(step, [{"tag": name, "image": image}])

    def matrix(self, step: int, counts: NDArray[np.int64]) -> None:
        header, rows = self.counts(counts)
        lines = [header, ["---"] * len(header), *rows]
        cells = [[str(x).replace("|", "\\|") for x in line] for line in lines]
        text = "\n".join(f"| {' | '.join(line)} |" for line in cells)
        tensor = {
            "dtype": "DT_STRING",
            "tensor_shape": {"dim": [{"size": 1}]},
            "string_val": [text.encode()],
        }
        metadata = self._plugin("text")
        self._summary(
            step,
            [{"tag": "confusion", "tensor": tensor, "metadata": metadata}],
        )

    def close(self, succeeded: bool) -> None:
        from tensorboard.plugins.hparams import plugin_data_pb2

        end = plugin_data_pb2.SessionEndInfo(
            status="STATUS_SUCCESS" if succeeded else "STATUS_FAILURE",
            end_time_secs=time.time(),
        )
        self._hparams("session_end_info", end)
        self._writer.close()
