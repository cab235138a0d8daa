import keras
import numpy as np
import pytest

from keras_seg.cli.predict_flow import predict_all
from keras_seg.data import ClassTable
from keras_seg.data.video import VideoWriter
from keras_seg.data.video import read_frames

pytestmark = pytest.mark.once


def test_frames_of_other_classes_have_one_size(tmp_path):
    """A legend of what is in each frame would be of another width."""
    image = keras.Input((None, None, 3))
    echo = keras.Model(image, keras.layers.Activation("linear")(image))
    red, blue = np.zeros((2, 40, 60, 3), "uint8")
    red[..., 0], blue[..., 2] = 200, 200
    with VideoWriter(tmp_path / "clip.mp4", 5) as video:
        for frame in (
            red,
            blue,
            np.where(np.eye(40, 60)[..., None], red, blue),
        ):
            video.write(frame.astype("uint8"))
    classes = ClassTable(
        names=("a", "b", "one of a long name"), colors=((255, 0, 0),) * 3
    )
    targets = {tmp_path / "clip.mp4": (tmp_path / "a.mkv", tmp_path / "b.mp4")}
    done, errors = predict_all(
        echo,
        targets,
        classes,
        tiles=None,
        batch_size=1,
        probabilities=False,
        progress=lambda done: None,
    )
    assert (done, errors) == (1, [])
    masks = [frame[..., 0] for frame in read_frames(tmp_path / "a.mkv")]
    assert [np.unique(mask).tolist() for mask in masks[:2]] == [[0], [2]]
    assert len(list(read_frames(tmp_path / "b.mp4"))) == 3
