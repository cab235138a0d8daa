import random

import keras
import numpy as np
import pytest

from keras_seg.data import Batches
from keras_seg.data import from_folder
from keras_seg.data import synthetic

SIZES = [(9, 12), (10, 12), (9, 12), (12, 9), (9, 12), (9, 12), (7, 12)]


def pairs(count=7, size=(12, 10)):
    """Pair i has the color i and the ids i."""
    return [
        (np.full((*size, 3), i, "uint8"), np.full(size, i, "uint8"))
        for i in range(count)
    ]


def mixed_sizes():
    return [pairs(i + 1, size)[i] for i, size in enumerate(SIZES)]


def members(batch):
    return [int(mask[0, 0]) for mask in batch[1]]


def equal(a, b):
    return len(a) == len(b) and all(
        np.array_equal(x, y)
        for one, other in zip(a, b, strict=True)
        for x, y in zip(one, other, strict=True)
    )


class Watched(Batches):
    """Remembers what `fit` was given, in order, after its probing."""

    def on_epoch_begin(self):
        self.served = []
        super().on_epoch_begin()

    def on_epoch_end(self):
        if not hasattr(self, "epochs"):
            self.epochs = []  # the call before the first epoch
        else:
            self.epochs.append(self.served)
        self.served = []
        super().on_epoch_end()

    def __getitem__(self, index):
        batch = super().__getitem__(index)
        if hasattr(self, "served"):
            self.served.append(batch)
        return batch


class Scores(keras.layers.Layer):
    """A 1x1 convolution that starts from zero, on every backend."""

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(3, 12), initializer="zeros")

    def call(self, x):
        return keras.ops.matmul(x / 255.0, self.kernel)


def model():
    inputs = keras.Input((None, None, 3))
    network = keras.Model(inputs, Scores()(inputs))
    network.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, ignore_class=255
        ),
    )
    return network


def test_batch():
    batches = Batches(pairs(), 3)
    assert len(batches) == 3
    images, masks = batches[1]
    assert images.shape == (3, 12, 10, 3) and images.dtype == np.uint8
    assert masks.shape == (3, 12, 10) and masks.dtype == np.int32
    assert images[:, 0, 0, 0].tolist() == members(batches[1]) == [3, 4, 5]
    assert [members(batch) for batch in batches] == [
        [0, 1, 2],
        [3, 4, 5],
        [6],
    ]
    short = Batches(pairs(), 3, drop_remainder=True)
    assert [members(batch) for batch in short] == [[0, 1, 2], [3, 4, 5]]
    for index in (3, -1):
        with pytest.raises(
            IndexError, match=f"`index` is 0..2. Received: {index}"
        ):
            batches[index]


def test_float_images_stay_floats():
    dataset = [(np.full((4, 4, 3), 0.5), np.zeros((4, 4), "int64"))]
    images, masks = Batches(dataset)[0]
    assert images.dtype == np.float32 and masks.dtype == np.int32
    assert images[0, 0, 0, 0] == 0.5


def test_padding_to_the_largest_of_the_batch():
    batches = Batches(mixed_sizes(), 2)
    # Batch 0 would be 10x12, batch 1 is 12x12: only their widths agree, and
    # widths differ in the data set, so batch 0 is made one wider.
    shapes = [masks.shape[1:] for _, masks in batches]
    assert shapes == [(10, 13), (12, 12), (9, 12), (7, 12)]
    images, masks = batches[0]
    assert (masks[0, :9, :12] == 0).all() and (masks[1, :10, :12] == 1).all()
    assert (masks[0, 9:] == 255).all() and (masks[:, :, 12:] == 255).all()
    assert images[0, 9, 0].tolist() == [124, 116, 104]
    assert (images[1, :10, :12] == 1).all()


def test_one_size_is_not_padded():
    assert {x.shape[1:] for x, _ in Batches(pairs(), 2)} == {(12, 10, 3)}


def test_crop():
    images, masks = Batches(pairs(), 3, crop=(5, 20))[0]
    assert images.shape == (3, 5, 20, 3) and masks.shape == (3, 5, 20)
    assert (masks[:, :, 10:] == 255).all() and (masks[:, :, :10] < 3).all()
    images, masks = Batches(mixed_sizes(), 7, crop=8, scale=(0.5, 2))[0]
    assert images.shape == (7, 8, 8, 3)
    assert set(np.unique(masks)) <= {*range(7), 255}


def test_shuffle():
    batches = Batches(pairs(50), 50, shuffle=True, seed=1)
    first = members(batches[0])
    assert sorted(first) == list(range(50)) and first != list(range(50))
    batches.on_epoch_end()
    second = members(batches[0])
    assert sorted(second) == list(range(50)) and second != first
    assert members(Batches(pairs(50), 50, shuffle=True, seed=2)[0]) != first


@pytest.mark.parametrize("options", [{"workers": 4}, {"cache": False}])
def test_batches_depend_on_seed_epoch_and_index_alone(options):
    rng = np.random.default_rng(0)
    dataset = [
        (
            rng.integers(0, 256, (20, 20, 3), "uint8"),
            rng.integers(0, 9, (20, 20)),
        )
        for _ in range(10)
    ]
    drawn = {"crop": 16, "flip": True, "scale": (0.5, 2), "shuffle": True}
    one = Batches(dataset, 4, **drawn)
    two = Batches(dataset, 4, **drawn, **options)
    first = list(one)
    assert equal(list(two)[::-1], [two[2], two[1], two[0]])
    assert equal(list(two), first)
    one.on_epoch_end()
    two.epoch = 1
    assert equal(list(two), list(one))
    assert not equal(list(two), first)
    assert not equal(list(Batches(dataset, 4, **drawn, seed=1)), first)


def test_cache():
    reads = []

    class Dataset(list):
        def __getitem__(self, index):
            reads.append(index)
            return super().__getitem__(index)

    batches = Batches(Dataset(pairs(4)), 2, crop=4)
    list(batches), list(batches)
    assert reads == [0, 1, 2, 3]
    batches = Batches(Dataset(pairs(4)), 2, crop=4, cache=False)
    list(batches), list(batches)
    assert reads == [0, 1, 2, 3] * 3


def test_cache_limit(monkeypatch):
    monkeypatch.setattr("keras_seg.data.batches._CACHE_BYTES", 1000)
    batches = Batches(pairs(4), 2)  # 480 bytes a pair
    assert [members(b) for b in batches] == [members(b) for b in batches]
    assert sorted(batches._cache) == [0, 1]


def test_folder(tmp_path):
    images, masks = synthetic.shapes(3, size=32)
    synthetic.write_folder(
        tmp_path, images, masks, synthetic.shape_classes(), split="val"
    )
    batches = Batches(from_folder(tmp_path, "val"), 2)
    np.testing.assert_array_equal(
        np.concatenate([x for x, _ in batches]), images
    )
    np.testing.assert_array_equal(
        np.concatenate([y for _, y in batches]), masks
    )


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("workers", [1, 3])
def test_fit_gets_the_same_batches_in_the_same_order(shuffle, workers):
    options = {"crop": 8, "flip": True, "shuffle": True, "seed": 3}
    random.seed(workers)  # which fit(shuffle=True) draws from
    watched = Watched(pairs(12), 2, **options, workers=workers)
    model().fit(watched, epochs=3, verbose=0, shuffle=shuffle)
    expected = Batches(pairs(12), 2, **options)
    assert len(watched.epochs) == 3
    for epoch, served in enumerate(watched.epochs, start=1):
        expected.epoch = epoch
        assert equal(served, list(expected))


def test_training_goes_on_where_it_stopped():
    options = {"crop": 8, "shuffle": True, "seed": 3}
    whole, first, second = model(), model(), model()
    whole.fit(Batches(pairs(4), 2, **options), epochs=4, verbose=0)
    first.fit(Batches(pairs(4), 2, **options), epochs=2, verbose=0)
    second.set_weights(first.get_weights())
    batches = Batches(pairs(4), 2, **options)
    batches.epoch = 2
    second.fit(batches, epochs=4, initial_epoch=2, verbose=0)
    np.testing.assert_allclose(
        second.get_weights()[0], whole.get_weights()[0], rtol=1e-5
    )
    assert abs(whole.get_weights()[0]).max() > 1e-3


def test_uint8_trains_as_float32():
    floats = [(image.astype("float32"), mask) for image, mask in pairs(4)]
    losses = [
        model().fit(Batches(data, 2), epochs=2, verbose=0).history["loss"]
        for data in (pairs(4), floats)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)


@pytest.mark.parametrize("shuffle", [True, False])
def test_mixed_sizes_train_and_evaluate(shuffle):
    # Batches 0 and 1 are alike and the others differ: TensorFlow takes the
    # shape of the data set from the first two.
    dataset = [pairs(2)[1]] * 4 + [pairs(2, (13, 9))[1]] * 2
    batches = Batches(dataset, 2, shuffle=shuffle)
    network = model()
    network.fit(batches, epochs=1 + shuffle, verbose=0)
    if shuffle:
        return
    loss = network.evaluate(batches, verbose=0)
    logits = network.predict(dataset[0][0][None].astype("float32"), verbose=0)
    expected = -logits[0, 0, 0] + np.log(np.exp(logits[0, 0, 0]).sum())
    np.testing.assert_allclose(loss, expected[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "`batch_size` must be an int of 1 or more. "
         "Received: batch_size=0"),
        ({"batch_size": 1.5}, "`batch_size` must be an int of 1 or more. "
         "Received: batch_size=1.5"),
        ({"workers": 0}, "`workers` must be an int of 1 or more. "
         "Received: workers=0"),
        ({"crop": 0}, "`crop` must be an int of 1 or more. Received: crop=0"),
        ({"crop": (4, -1)}, "`crop` must be an int of 1 or more. "
         "Received: crop=-1"),
        ({"crop": (4, 4, 3)}, "`crop` must be an int or (height, width). "
         "Received: crop=(4, 4, 3)"),
        ({"crop": 4, "scale": (2, 0.5)}, "`scale` must be (low, high) with "
         "0 < low <= high. Received: scale=(2, 0.5)"),
        ({"crop": 4, "scale": (0, 1)}, "`scale` must be (low, high) with "
         "0 < low <= high. Received: scale=(0, 1)"),
        ({"scale": (1, 2)}, "`scale` needs `crop`, or every batch would have "
         "a size of its own. Received: scale=(1, 2), crop=None"),
        ({"seed": -1}, "`seed` must be an int of 0 or more. "
         "Received: seed=-1"),
        ({"drop_remainder": True}, "`drop_remainder` leaves no batch. "
         "Received: batch_size=8 for 7 pairs"),
    ],
)  # fmt: skip
def test_bad_arguments(options, text):
    with pytest.raises(ValueError) as caught:
        Batches(pairs(), **options)
    assert str(caught.value) == text


def test_empty_data_set():
    with pytest.raises(ValueError) as caught:
        Batches([])
    assert str(caught.value) == (
        "`dataset` must have at least one pair. Received: an empty data set"
    )


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        (np.zeros((4, 4)), np.zeros((4, 4), "uint8")),
        (np.zeros((4, 4, 4)), np.zeros((4, 4), "uint8")),
        (np.zeros((4, 4, 3)), np.zeros((4, 5), "uint8")),
        (np.zeros((4, 4, 3)), np.zeros((4, 4, 1), "uint8")),
        (np.zeros((4, 4, 3)), np.zeros((4, 4), "float32")),
    ],
)
def test_bad_pairs(image, mask):
    with pytest.raises(ValueError) as caught:
        Batches([(image, mask)])[0]
    assert str(caught.value) == (
        "A pair must be an image (height, width, 3) and an integer mask "
        f"(height, width). Received: pair 0 with an image {image.shape} and "
        f"a mask {mask.shape} of {mask.dtype}"
    )
