import keras
import numpy as np
import pytest
from PIL import Image

from keras_seg.applications import FCN8s
from keras_seg.data import DataError
from keras_seg.inference import Tiles
from keras_seg.inference import predict
from keras_seg.inference import predict_batch
from keras_seg.inference import predict_files


def echo():
    """A model whose class is the largest of red, green and blue."""
    image = keras.Input((None, None, 3))
    return keras.Model(image, keras.layers.Activation("linear")(image))


def image_of(ids):
    return (np.eye(3, dtype="uint8") * 200)[np.asarray(ids)]


@pytest.mark.parametrize("size", [(1, 1), (7, 1), (33, 50), (64, 64)])
def test_every_size(size):
    ids = np.random.default_rng(0).integers(0, 3, size)
    found = predict(echo(), image_of(ids))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, ids)


def test_floats_and_ties():
    ids = predict(echo(), np.zeros((2, 3, 3), "float32"))
    np.testing.assert_array_equal(ids, np.zeros((2, 3)))


def test_batch():
    ids = np.random.default_rng(0).integers(0, 3, (4, 5, 6))
    np.testing.assert_array_equal(predict_batch(echo(), image_of(ids)), ids)


def test_a_real_network_at_an_odd_size():
    model = FCN8s("mobilenet_v2", weights=None, classes=4)
    for layer in model.layers:  # The scores begin at zero.
        if layer.name.startswith("score_"):
            kernel, bias = layer.get_weights()
            kernel = np.random.default_rng(1).normal(size=kernel.shape)
            layer.set_weights([kernel, bias])
    image = np.random.default_rng(0).integers(0, 256, (37, 53, 3), "uint8")
    ids = predict(model, image)
    assert ids.shape == (37, 53)
    logits = keras.ops.convert_to_numpy(model(image[None]))[0]
    top = np.sort(logits, axis=-1)
    clear = top[..., -1] - top[..., -2] > 1e-4 * np.ptp(logits)
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(ids[clear], logits.argmax(-1)[clear])


def test_tiles_from_a_file_to_a_file(tmp_path):
    ids = np.random.default_rng(0).integers(0, 3, (70, 100))
    image = np.memmap(tmp_path / "image", "uint8", "w+", shape=(*ids.shape, 3))
    image[:] = image_of(ids)
    out = np.memmap(tmp_path / "ids", "uint8", "w+", shape=ids.shape)
    assert predict(echo(), image, Tiles(64, overlap=32), out) is out
    np.testing.assert_array_equal(out, ids)
    np.testing.assert_array_equal(
        predict(echo(), image, Tiles(64, overlap=32)), ids
    )


class LittleMemory:
    """A model for tiles of 128, and what a backend says of larger ones."""

    def __init__(self, error):
        self.error = error

    def predict_on_batch(self, images):
        if max(images.shape[1:3]) > 128 + 31:
            raise self.error
        return images


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 9 bytes"
        ),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"),
        type("ResourceExhaustedError", (Exception,), {})("OOM"),
    ],
)
def test_tiles_are_halved_where_memory_does_not_suffice(error):
    ids = np.random.default_rng(0).integers(0, 3, (300, 400))
    model = LittleMemory(error)
    with pytest.warns(UserWarning, match="of 256 pixels: they have 128"):
        found = predict(model, image_of(ids), Tiles(256, overlap=64))
    np.testing.assert_array_equal(found, ids)
    with pytest.raises(type(error)):
        predict(model, image_of(ids))


def test_other_errors_are_what_they_are():
    model = LittleMemory(ValueError("no such shape"))
    with pytest.raises(ValueError, match="no such shape"):
        predict(model, np.zeros((300, 300, 3)), Tiles(256, overlap=0))


def test_memory_that_never_suffices():
    class NoMemory(LittleMemory):
        def predict_on_batch(self, images):
            raise self.error

    with pytest.raises(MemoryError), pytest.warns(UserWarning, match="have 32"):
        predict(NoMemory(MemoryError()), np.zeros((99, 99, 3)), Tiles(64, 32))


def test_refused():
    with pytest.raises(ValueError, match=r"Received: shape \(4, 4\)"):
        predict(echo(), np.zeros((4, 4)))
    image = keras.Input((None, None, 3))
    coarse = keras.Model(image, keras.layers.Conv2D(2, 1, strides=2)(image))
    with pytest.raises(ValueError, match="at the size of the image"):
        predict(coarse, np.zeros((4, 4, 3)))


def test_files(tmp_path):
    ids = np.random.default_rng(0).integers(0, 3, (6, 4))
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in (paths[0], paths[2]):
        Image.fromarray(image_of(ids)).save(path)
    paths[1].write_bytes(paths[0].read_bytes()[:-30])
    errors = []
    found = list(predict_files(echo(), paths, on_error=errors.append))
    assert [path for path, _ in found] == [paths[0], paths[2]]
    for _, prediction in found:
        np.testing.assert_array_equal(prediction, ids)
    assert [error.file for error in errors] == [str(paths[1])]
    with pytest.raises(DataError, match="incomplete or damaged"):
        list(predict_files(echo(), paths))


def test_files_are_read_one_at_a_time(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(image_of([[0, 1]])).save(path)

    def paths():
        yield path
        raise AssertionError("read ahead")

    first, _ = next(predict_files(echo(), paths()))
    assert first == path
