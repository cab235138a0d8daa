"""Reading and writing of videos, frame by frame."""

import contextlib
import fractions
import pathlib
import re
from typing import Any

import numpy as np

from keras_seg.atomic import replacing
from keras_seg.data.bands import band_numbers
from keras_seg.data.errors import DataError
from keras_seg.lazy import is_installed

__all__ = [
    "VideoWriter",
    "frame_rate",
    "is_video",
    "read_frames",
    "refuse_live",
    "timed_frames",
]

# Of written times: exact for the usual rates, within 8 µs for others.
_TICK = fractions.Fraction(1, 60000)
SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")


def is_video(path):
    """Whether a path has the suffix of a video.

    Example:

    >>> is_video("clip.MP4"), is_video("photograph.jpg")
    (True, False)
    """
    return pathlib.Path(path).suffix.lower() in SUFFIXES


def refuse_live(path):
    """Raises a `DataError` for the address of a stream, or a camera.

    Example:

    >>> refuse_live("clip.mp4")
    >>> refuse_live("rtsp://camera/1")
    Traceback (most recent call last):
    ...
    keras_seg.data.errors.DataError: KS-D009  rtsp://camera/1 is a live stream
    or an address; images and videos are files. Fix: record it, such as with
    ffmpeg -i ADDRESS -t 60 clip.mp4, or predict images of an object store with
    --ray.
    """
    address = re.match("[a-z][a-z0-9+.-]+:/", str(path), re.IGNORECASE)
    if address or pathlib.Path(path).is_char_device():
        raise DataError(
            "KS-D009",
            path,
            "is a live stream or an address",
            "images and videos are files",
            fix="record it, such as with ffmpeg -i ADDRESS -t 60 clip.mp4, or "
            "predict images of an object store with --ray",
        )


def read_frames(path, bands=None):
    """Yield the frames of a video, uint8 `(height, width, 3)`, upright.

    Args:
        path: str or path.
        bands: optional sequence of numbers from 1 to 3, the order of red,
            green and blue. Defaults to RGB.

    Raises:
        DataError: If the file is missing, damaged or not a video, is turned
            by other than right angles, has no such band, or if PyAV is not
            installed.
    """
    for _, pixels in timed_frames(path, bands):
        yield pixels


def timed_frames(path, bands=None):
    """Yield tuples (time, frame) of a video, see `read_frames`.

    The time is in seconds from the start, or `None` if the file has no times.
    """
    numbers = bands and band_numbers(path, bands, 3)
    with _opened(path) as container:
        start = (container.start_time or 0) / 1e6  # In FFmpeg's microseconds.
        for frame in container.decode(video=0):
            time, pixels = frame.time, _upright(frame, path)
            if numbers:
                pixels = pixels[..., np.array(numbers) - 1]
            yield None if time is None else max(0.0, time - start), pixels


def _upright(frame, path):
    """A frame turned and mirrored by the display matrix of the file.

    It maps x, y to x', y' = a x + c y, b x + d y, with y downwards (ISO/IEC
    14496-12, 8.3.2).
    """
    pixels = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    a, b, _, c, d, *_ = np.frombuffer(matrix, "i4")[:5].tolist()
    if a == d == 0 and b and c:
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    elif not (b == c == 0 and a and d):
        raise DataError(
            "KS-D009",
            path,
            "is turned by other than right angles",
            "frames are upright, mirrored or turned by quarters",
            fix="turn it with a video editor",
        )
    return pixels[:: 1 if d > 0 else -1, :: 1 if a > 0 else -1]


def frame_rate(path):
    """Frames per second of a video, a `fractions.Fraction`."""
    with _opened(path) as container:
        return container.streams.video[0].average_rate


class VideoWriter:
    """Writes frames to a video, which exists only if all were written.

    RGB frames are encoded as H.264, with loss, for every player. Class ids
    are encoded as gray values in FFV1, without loss: `read_frames` returns
    them in all three channels.

    Args:
        path: str or path: `.mp4` for RGB frames, `.mkv` for ids.
        rate: frames per second.
    """

    def __init__(self, path, rate):
        self.path = pathlib.Path(path)
        self._rate = rate

    def __enter__(self):
        import av

        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(replacing(self.path))
            self._container = av.open(str(temporary), "w")
            stack.callback(self._container.close)
            self._stream: Any = None
            self._count = self._ticks = 0
            self._stack = stack.pop_all()
        return self

    def write(self, frame, time=None):
        """Appends a frame.

        Args:
            frame: uint8 array `(height, width, 3)`, or `(height, width)` of
                ids.
            time: optional float, the time in seconds, later than the last.
                Defaults to the next at `rate`.

        Raises:
            ValueError: If its shape differs from the first frame's.
        """
        import av

        frame = np.ascontiguousarray(frame)
        if self._stream is None:
            self._shape = frame.shape
        elif frame.shape != self._shape:  # PyAV would scale it, ids too.
            raise ValueError(
                f"The frames of {self.path} have the shape {self._shape}. "
                f"Received: a frame of shape {frame.shape}"
            )
        kind = "gray" if frame.ndim == 2 else "rgb24"
        if self._stream is None:
            self._stream = self._new_stream(frame)
        if self._stream.pix_fmt == "yuv420p":  # Colors of two by two pixels.
            odd = [(0, n % 2) for n in frame.shape[:2]]
            frame = np.pad(frame, [*odd, (0, 0)], mode="edge")
        picture = av.VideoFrame.from_ndarray(frame, format=kind)
        if time is None:
            time = self._count / self._rate
        ticks = round(time / _TICK)
        if self._count:
            ticks = max(ticks, self._ticks + 1)
        self._ticks, self._count = ticks, self._count + 1
        picture.pts, picture.time_base = ticks, _TICK
        self._container.mux(self._stream.encode(picture))

    def _new_stream(self, frame):
        import av

        ids = frame.ndim == 2
        codec = "mpeg4"
        if ids:
            codec = "ffv1"
        elif "libx264" in av.codecs_available:
            codec = "libx264"
        stream: Any = self._container.add_stream(codec, rate=self._rate)
        height, width = frame.shape[:2]
        stream.codec_context.time_base = _TICK
        stream.pix_fmt = "gray" if ids else "yuv420p"
        stream.height = height if ids else height + height % 2
        stream.width = width if ids else width + width % 2
        return stream

    def __exit__(self, kind, *error):
        if kind is None and self._stream is not None:
            self._container.mux(self._stream.encode())
        return self._stack.__exit__(kind, *error)


@contextlib.contextmanager
def _opened(path):
    path = pathlib.Path(path)
    if not is_installed("av"):
        raise DataError(
            "KS-D009",
            path,
            "is a video",
            "videos are read by PyAV, which is not installed",
            fix='pip install "keras-seg[video]"',
        )
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise av.error.InvalidDataError(0, "no pictures in it")
            yield container
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(
            "KS-D009",
            path,
            f"can't be read as a video ({error})",
            "a complete MP4, MOV, AVI, MKV or WEBM file is expected",
            fix="copy the file again from its source",
        ) from error
