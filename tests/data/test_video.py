"""Videos, written and read again."""

import numpy as np
import pytest

from keras_seg.data import DataError
from keras_seg.data.video import VideoWriter
from keras_seg.data.video import frame_rate
from keras_seg.data.video import read_frames
from keras_seg.data.video import timed_frames

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
    for frame, other in zip(found, read_frames(path, (3, 2, 1)), strict=True):
        np.testing.assert_array_equal(other, frame[..., ::-1])
    with pytest.raises(DataError, match="has no band nir; its bands are 1, 2"):
        next(read_frames(path, ("nir", "red")))


@pytest.mark.parametrize(
    "abcd",
    [
        *((a, 0, 0, d) for a in (1, -1) for d in (1, -1)),
        *((0, b, c, 0) for b in (1, -1) for c in (1, -1)),
        (1, 1, -1, 1),
    ],
)
def test_turned_and_mirrored(tmp_path, abcd):
    """A display matrix as telephones write it, in the header of an MP4.

    ISO/IEC 14496-12, 8.3.2: nine numbers of 16.16 bits, a b u c d v x y w;
    (x', y') = (a x + c y, b x + d y), y downwards, so that a pixel of the
    picture is found again where that takes it.
    """
    a, b, c, d = abcd
    path = tmp_path / "video.mp4"
    picture = np.zeros((32, 64, 3), "uint8")
    picture[:16, :16] = 255  # White in the corner at the top left.
    with VideoWriter(path, 25) as video:
        video.write(picture)
    plain = np.array([1, 0, 0, 0, 1, 0, 0, 0, 1 << 14]) * (1 << 16)
    plain[8] = 1 << 30
    turn = np.array([a, b, 0, c, d, 0, 0, 0, 0]) * (1 << 16)
    turn[8] = 1 << 30
    data = path.read_bytes()
    place = data.rindex(plain.astype(">i4").tobytes())  # Of the track.
    end = place + 36
    path.write_bytes(data[:place] + turn.astype(">i4").tobytes() + data[end:])
    if a and b:
        with pytest.raises(DataError, match="other than right angles"):
            list(read_frames(path))
        return
    (found,) = read_frames(path)
    assert found.shape == ((32, 64, 3) if a else (64, 32, 3))
    # The center of the white corner, from the center of the picture.
    x, y = 8 - 32, 8 - 16
    height, width = found.shape[:2]
    row, column = b * x + d * y + height // 2, a * x + c * y + width // 2
    found = found.mean(axis=-1) > 128
    assert found[row - 5 : row + 5, column - 5 : column + 5].all()
    assert 0.1 < found.mean() < 0.15  # An eighth.


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_times(tmp_path, suffix):
    """Frames of a variable rate keep the time at which they are shown."""
    path, times = tmp_path / f"a.{suffix}", [0.0, 0.04, 0.5, 0.51, 2.17]
    frames = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), "uint8")
    with VideoWriter(path, 25) as video:
        for frame, time in zip(frames, times, strict=True):
            video.write(frame if suffix == "mp4" else frame[..., 0], time)
    found = [time for time, _ in timed_frames(path)]
    np.testing.assert_allclose(found, times, atol=5e-4)  # Matroska: 1 ms.


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
