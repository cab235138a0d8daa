import gc
import itertools
import threading
import warnings
import weakref

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_seg.applications import FCN8s
from keras_seg.applications import UNet
from keras_seg.data import Batches
from keras_seg.data import DataError
from keras_seg.data.augment import MEAN_COLOR
from keras_seg.inference import Tiles
from keras_seg.inference import evaluate
from keras_seg.inference import predict
from keras_seg.inference import predict_batch
from keras_seg.inference import predict_turned
from keras_seg.inference.keras_models import ids_network
from keras_seg.inference.scores import predict_scores
from keras_seg.layers import Preprocess
from tests.networks import asked
from tests.networks import echo
from tests.networks import randomize


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


def test_pillow():
    pixels = image_of(np.random.default_rng(0).integers(0, 3, (7, 9)))
    ids, image = predict(echo(), pixels), Image.fromarray(pixels)
    np.testing.assert_array_equal(predict(echo(), image), ids)
    (found,) = predict(echo(), [image])
    np.testing.assert_array_equal(found.ids, ids)


def test_no_mask_of_what_is_masked():
    """As rasterio's `read(masked=True)` gives what has no data."""
    sound = np.full((4, 5, 3), 9, "uint8"), np.zeros((4, 5), "uint8")
    whole = [np.ma.masked_equal(array, 99) for array in sound]
    spoilt = [np.ma.masked_equal(array, array.max()) for array in sound]
    assert (predict(echo(), whole[0]) == predict(echo(), sound[0])).all()
    for check in (
        lambda: predict(echo(), spoilt[0]),
        lambda: predict(echo(), spoilt[0], Tiles(32, overlap=0)),
        lambda: list(predict(echo(), [spoilt[0]])),
        lambda: predict_turned(echo(), spoilt[0]),
        lambda: evaluate(echo(), [(spoilt[0], sound[1])]),
        lambda: evaluate(echo(), [(sound[0], spoilt[1])]),
        lambda: Batches([(spoilt[0], sound[1])], 1)[0],
        lambda: Batches([(sound[0], spoilt[1])], 1)[0],
    ):
        with pytest.raises(ValueError, match=r"Received: (60|20) of \1 val"):
            check()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_mask_of_what_is_not_finite(value):
    image = np.full((4, 5, 3), 9, "float32")
    image[1, 2, 0] = value
    match = f"finite values.*Received: values from .*{value}"
    with pytest.raises(ValueError, match=match):
        predict(echo(), image)
    with pytest.raises(ValueError, match=match):
        evaluate(echo(), [(image, np.zeros((4, 5), "uint8"))])
    with pytest.raises(ValueError, match=match) as caught:
        Batches([(image, np.zeros((4, 5), "uint8"))], 1)[0]
    assert caught.value.__notes__ == ["It was pair 0 of the data set."]


def behind(layer, size=None):
    """The scores are what a layer makes of the image."""
    image = keras.Input((size, size, 3))
    return keras.Model(image, layer(image))


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (np.uint16, 0, 65535),
        (np.float32, 0, 65535),
        (np.float32, 0, 1),
        (np.float64, -1, 1),
        (np.float32, -2.1, 2.6),
        (np.float32, -124, 151),
        (np.int64, -20, 255),
        (np.bool_, 0, 1),
    ],
)
def test_images_of_another_range_are_warned_of(dtype, low, high):
    image = np.full((40, 50, 3), low, dtype)
    image[0, 0] = high
    said = f"{np.dtype(dtype)} from {low:g} to {high:g}, and .* RGB in 0...255"
    model = behind(Preprocess("caffe"))
    pair = image, np.zeros((40, 50), "uint8")
    for check in (
        lambda: predict(model, image),
        lambda: list(predict(model, [image])),  # Padded.
        lambda: predict(model, image, Tiles(32, overlap=0)),
        lambda: predict(behind(Preprocess("caffe"), 64), image),
        lambda: evaluate(model, [pair], bucket=64),
        lambda: predict(behind(keras.layers.Rescaling(1 / 255)), image),
    ):
        with pytest.warns(UserWarning, match=said):
            check()
    # Made for another range, or not known to be made for this one.
    for layer in (
        keras.layers.Rescaling(1 / 65535),
        keras.layers.Activation("linear"),
    ):
        predict(behind(layer), image)


@given(
    st.sampled_from([np.uint8, np.uint16, np.int64, np.float32, np.float64]),
    st.integers(0, 100),
    st.integers(17, 255),
)
def test_images_of_0_to_255_are_not(dtype, low, high):
    """With what cubic interpolation adds to either side, or black."""
    rim = 16 if np.dtype(dtype).kind == "f" else 0
    model = behind(Preprocess("caffe"))
    image = np.full((3, 4, 3), low - rim, dtype)
    image[0, 0] = high + rim
    predict(model, image)
    predict(model, 0 * image)


@pytest.mark.parametrize("classes", [2, 256, 257])
def test_the_smallest_dtype_holds_every_id(classes):
    image = keras.Input((None, None, classes))
    model = keras.Model(image, keras.layers.Activation("linear")(image))
    truth = np.random.default_rng(0).integers(0, classes, (8, 9))
    truth[0, 0] = classes - 1
    found = predict(model, np.eye(classes, dtype="float32")[truth])
    assert found.dtype == (np.uint8 if classes < 257 else np.uint16)
    np.testing.assert_array_equal(found, truth)


def test_what_ends_in_ids_is_made_once_and_dies_with_its_model():
    """It shares the weights, and changes with them."""
    model = randomize(UNet(classes=3, filters=4, depth=2))
    network = ids_network(model)
    assert ids_network(model) is network
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3))
    for seed in range(2):
        scores = randomize(model, seed).predict_on_batch(image)
        np.testing.assert_array_equal(
            predict_batch(model, image), scores.argmax(axis=-1)
        )
    gone = weakref.ref(network)
    del model, network
    gc.collect()  # the model
    gc.collect()  # and what was kept for it
    assert gone() is None


@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have")
def test_a_model_that_is_quantized_in_between():
    x = keras.Input((None, None, 3))
    y = keras.layers.Dense(8)(keras.layers.Dense(16)(x))
    model = randomize(keras.Model(x, y))
    image = np.random.default_rng(0).normal(size=(1, 64, 64, 3))
    before = predict_batch(model, image)
    model.quantize("int8")
    found = predict_batch(model, image)
    assert 0 < np.mean(found != before) < 0.1
    scores = model.predict_on_batch(image)
    np.testing.assert_array_equal(found, scores.argmax(axis=-1))


def test_a_model_with_code_of_its_own():
    """What it says counts, not what its graph says."""

    class Inverted(keras.Model):
        def call(self, inputs):
            return -super().call(inputs)

    plain = echo()
    model = Inverted(plain.inputs[0], plain.outputs[0])
    image = np.array([[[9, 5, 1], [1, 5, 9]]], "float32")
    assert predict(plain, image).tolist() == [[0, 2]]
    assert predict(model, image).tolist() == [[2, 0]]


@pytest.mark.parametrize("tiles", [None, Tiles(32, overlap=0)])
def test_probabilities(tiles):
    """exp(score) / sum, by hand; of a network with a softmax as they are,
    also in bfloat16, where they add up to 1 but for 2^-9."""
    image = np.random.default_rng(0).uniform(0, 4, (40, 35, 3))
    image = image.astype("float32")
    expected = np.exp(image) / np.exp(image).sum(axis=-1, keepdims=True)
    ends = keras.Input((None, None, 3))
    softmax = keras.Model(ends, keras.layers.Softmax()(ends))
    half = keras.layers.Softmax(dtype="bfloat16")(ends)
    half = keras.layers.Activation("linear", dtype="float32")(half)
    half = keras.Model(ends, half)
    for model, logits in ((echo(), True), (softmax, None), (half, None)):
        (found,) = predict(
            model, [image], tiles, probabilities=True, from_logits=logits
        )
        assert found.probabilities.dtype == np.float16
        np.testing.assert_allclose(
            found.probabilities, expected, atol=8e-3 if model is half else 1e-3
        )
        if model is not half:
            np.testing.assert_array_equal(found.ids, image.argmax(axis=-1))
    with pytest.raises(ValueError, match="ends in a softmax"):
        predict(softmax, [image], probabilities=True, from_logits=True)
    with pytest.raises(ValueError, match="cannot be seen"):
        predict(echo(), [image], probabilities=True)
    (found,) = predict(echo(), [image], tiles)
    assert found.probabilities is None
    with pytest.raises(ValueError, match="come with a stream"):
        predict(echo(), image, tiles, probabilities=True)


def test_weights_that_are_no_numbers_are_warned_of():
    """By the name of the first, however the model is asked."""
    model = randomize(UNet(classes=3, filters=4, depth=2))
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), "uint8")
    pairs = [(image, np.zeros((32, 32), "uint8"))]
    ways = {
        "array": lambda: predict(model, image),
        "tiles": lambda: predict(model, image, Tiles(32, overlap=0)),
        "stream": lambda: list(predict(model, [image])),
        "evaluate": lambda: evaluate(model, pairs),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for ask in ways.values():
            ask()
    first, later, last = (model.weights[i] for i in (2, 5, -1))
    for weight, value in (later, np.inf), (first, np.nan), (last, -np.inf):
        values = keras.ops.convert_to_numpy(weight).copy()
        values.flat[1] = value
        weight.assign(values)
    said = f"1 of the {np.prod(first.shape)} values of the weight "
    for ask in ways.values():
        # As a step of training does, this changes the last weight.
        last.assign(last + 1)
        with pytest.warns(UserWarning, match=said + repr(first.path)):
            ask()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        predict(model, image)  # Said before, and cheap from then on.


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
    logits = model.predict_on_batch(image[None])[0]
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
        self.inputs = echo().inputs
        self.layers = []

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


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=6),
    st.integers(1, 3),
    st.sampled_from([1, 4]),
)
def test_a_stream_gives_what_single_images_give(shapes, batch_size, bucket):
    model = echo()
    rng = np.random.default_rng(0)
    truth = [rng.integers(0, 3, shape) for shape in shapes]
    seen = asked(model)
    found = list(
        predict(
            model,
            (image_of(ids) for ids in truth),
            batch_size=batch_size,
            bucket=bucket,
        )
    )
    assert [one.source for one in found] == list(range(len(truth)))
    for one, ids in zip(found, truth, strict=True):
        np.testing.assert_array_equal(one.ids, ids)
        np.testing.assert_array_equal(one.image, image_of(ids))
    for count, height, width, _ in (x.shape for x in seen):
        assert count <= batch_size
        assert height % bucket == width % bucket == 0
    assert sum(map(len, seen)) == len(truth)


def test_neighbors_of_one_bucket_are_predicted_together():
    model = echo()
    seen = asked(model)
    images = [np.zeros((n, 40, 3), "uint8") for n in (60, 64, 50, 70, 64)]
    list(predict(model, images, batch_size=2))
    assert [x.shape for x in seen] == [
        (2, 64, 64, 3),
        (1, 64, 64, 3),
        (1, 96, 64, 3),
        (1, 64, 64, 3),
    ]


def test_what_lies_outside_is_the_mean_color():
    model = echo()
    seen = asked(model)
    list(predict(model, [np.zeros((3, 2, 3), "uint8")], bucket=4))
    assert (seen[0][0, :3, :2] == 0).all()
    assert (seen[0][0, 3:] == MEAN_COLOR).all()
    assert (seen[0][0, :, 2:] == MEAN_COLOR).all()


def write_pictures(folder, names, ids=((0, 1), (2, 2))):
    for name in names:
        Image.fromarray(image_of(ids)).save(folder / f"{name}.png")
    return [folder / f"{name}.png" for name in names]


def test_files(tmp_path):
    paths = write_pictures(tmp_path, "abc")
    paths[1].write_bytes(paths[0].read_bytes()[:-30])
    errors = []
    found = list(predict(echo(), paths, on_error=errors.append))
    assert [one.source for one in found] == [paths[0], paths[2]]
    for one in found:
        np.testing.assert_array_equal(one.ids, [[0, 1], [2, 2]])
    assert [error.file for error in errors] == [str(paths[1])]
    with pytest.raises(DataError, match="incomplete or damaged"):
        list(predict(echo(), paths))


def test_a_folder_a_file_and_paths_among_arrays(tmp_path):
    paths = write_pictures(tmp_path, "ab")
    (tmp_path / "notes.txt").write_text("no image")
    found = predict(echo(), str(tmp_path))
    assert [one.source for one in found] == paths
    assert next(predict(echo(), paths[0])).source == paths[0]
    mixed = predict(echo(), [image_of([[1]]), str(paths[1])])
    assert [one.source for one in mixed] == [0, str(paths[1])]


def test_turned_by_exif(tmp_path):
    ids = [[0, 1, 2], [1, 1, 0]]
    exif = Image.Exif()
    exif[0x0112] = 6  # A quarter turn clockwise, when shown.
    path = tmp_path / "turned.png"
    Image.fromarray(image_of(ids)).save(path, exif=exif)
    found = next(predict(echo(), path))
    np.testing.assert_array_equal(found.ids, np.rot90(ids, -1))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_few_images_are_read_ahead(batch_size):
    drawn = []

    def images():
        for number in range(50):
            drawn.append(number)
            yield image_of([[0, 1]])

    for number, _ in enumerate(
        predict(echo(), images(), batch_size=batch_size)
    ):
        assert len(drawn) <= number + 2 * batch_size + 2
    assert len(drawn) == 50


def test_a_stream_that_is_left():
    before = threading.active_count()
    stream = predict(echo(), (image_of([[0]]) for _ in itertools.count()))
    next(stream)
    stream.close()
    for thread in threading.enumerate():
        if thread.name.startswith("keras_seg_images"):
            thread.join(10)
    assert threading.active_count() <= before


def test_results_do_not_hold_the_batch():
    images = [np.zeros((64, 64, 3), "uint8")] * 4
    for one in predict(echo(), images, batch_size=4):
        assert one.ids.base is None


def test_tiles_of_a_stream_stay_halved():
    ids = np.random.default_rng(0).integers(0, 3, (300, 400))
    model = LittleMemory(MemoryError())
    with pytest.warns(UserWarning, match="of 256 pixels: they have 128") as w:
        found = list(predict(model, [image_of(ids)] * 2, Tiles(256, 64)))
    assert len(w) == 1
    for one in found:
        np.testing.assert_array_equal(one.ids, ids)


def test_grey_images(tmp_path):
    gray = keras.Input((None, None, 1))
    model = keras.Model(gray, keras.layers.Concatenate()([gray, 255 - gray]))
    path = tmp_path / "gray.png"
    Image.fromarray(np.array([[0, 255]], "uint8")).save(path)
    found = next(predict(model, path))
    assert found.image.shape == (1, 2, 1)
    np.testing.assert_array_equal(found.ids, [[1, 0]])


def test_channels_first():
    model = UNet(classes=3, filters=4, depth=2)
    first = UNet(classes=3, filters=4, depth=2, data_format="channels_first")
    first.set_weights(randomize(model).get_weights())
    image = np.random.default_rng(0).integers(0, 256, (20, 31, 3), "uint8")
    expected = predict_scores(model, image[None])
    np.testing.assert_allclose(
        predict_scores(first, image[None]), expected, rtol=1e-3, atol=1e-3
    )
    assert next(predict(first, [image])).ids.shape == (20, 31)


def test_one_size_only_and_several_outputs():
    image = keras.Input((5, 7, 3))
    model = keras.Model(image, [255 - image, image])
    found = next(predict(model, [image_of(np.zeros((5, 7), int))]))
    np.testing.assert_array_equal(found.ids, np.full((5, 7), 1))


def test_streams_refused():
    with pytest.raises(ValueError, match="`out` is for one image"):
        predict(echo(), [], out=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="`batch_size` must be an int of 1"):
        predict(echo(), [], batch_size=0)
    with pytest.raises(ValueError, match=r"Received: shape \(4, 4\)"):
        list(predict(echo(), [np.zeros((4, 4))]))
