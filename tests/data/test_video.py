"""Videos, written and read again."""

import numpy as np
import pytest

from keras_seg.data import DataError
from keras_seg.data.video import VideoWriter
from keras_seg.data.video import frame_rate
from keras_seg.data.video import read_frames

pytestmark = pytest.mark.once


def test_ids_come_back_exactly(tmp_path):
    path = tmp_path / "ids.mkv"
    ids = np.random.default_rng(0).integers(0, 256, (5, 33, 47), "uint8")
    with VideoWriter(path, 12) as video:
        for frame in ids:
            video.write(frame)
        assert not path.exists()
    found = list(read_frames(path))
    for channel in range(3):
        np.testing.assert_array_equal([f[..., channel] for f in found], ids)
    assert frame_rate(path) == 12


def test_pictures_come_back_nearly(tmp_path):
    """Plain ones of odd size: what is lost is rounding, a row, a column."""
    path = tmp_path / "pictures.mp4"
    colors = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    with VideoWriter(path, 25) as video:
        for color in colors:
            video.write(np.full((33, 47, 3), color, "uint8"))
    found = list(read_frames(path))
    assert [f.shape for f in found] == [(34, 48, 3)] * 3
    for frame, color in zip(found, colors, strict=True):
        np.testing.assert_allclose(frame.mean(axis=(0, 1)), color, atol=12)


def test_turned(tmp_path):
    """A display matrix as telephones write it, in the header of an MP4.

    ISO/IEC 14496-12, 8.3.2: nine numbers of 16.16 bits, a b u c d v x y w;
    (x', y') = (a x + c y, b x + d y), y downwards. A turn to the right by a
    quarter is a = d = 0, b = 1, c = -1.
    """
    path = tmp_path / "video.mp4"
    picture = np.zeros((32, 64, 3), "uint8")
    picture[:, :32] = 255  # White on the left, so on top after the turn.
    with VideoWriter(path, 25) as video:
        video.write(picture)
    plain = np.array([1, 0, 0, 0, 1, 0, 0, 0, 1 << 14]) * (1 << 16)
    plain[8] = 1 << 30
    right = np.array([0, 1, 0, -1, 0, 0, 0, 0, 0]) * (1 << 16)
    right[8] = 1 << 30
    data = path.read_bytes()
    place = data.rindex(plain.astype(">i4").tobytes())  # Of the track.
    end = place + 36
    path.write_bytes(data[:place] + right.astype(">i4").tobytes() + data[end:])
    (found,) = read_frames(path)
    assert found.shape == (64, 32, 3)
    assert found[:30].mean() > 200 and found[34:].mean() < 50


def test_no_half_of_a_video(tmp_path):
    with pytest.raises(KeyError):
        with VideoWriter(tmp_path / "a.mp4", 25) as video:
            video.write(np.zeros((32, 32, 3), "uint8"))
            raise KeyError
    assert not list(tmp_path.iterdir())


def test_frames_of_another_size(tmp_path):
    with pytest.raises(ValueError, match=r"a frame of shape \(32, 48\)"):
        with VideoWriter(tmp_path / "a.mkv", 25) as video:
            video.write(np.zeros((32, 32), "uint8"))
            video.write(np.zeros((32, 48), "uint8"))


def test_damaged(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    for name in ("a.mp4", "missing.mp4"):
        with pytest.raises(DataError, match="can't be read as a video"):
            next(read_frames(tmp_path / name))
