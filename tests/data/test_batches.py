import copy
import itertools
import random
import threading
import weakref

import keras
import numpy as np
import pytest

from keras_seg.applications import UNet
from keras_seg.data import Batches
from keras_seg.data import augment
from keras_seg.data import from_folder
from keras_seg.data import synthetic
from keras_seg.data.batch_arrays import BatchArrays

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


def mirrored_crop(size, scale=False):
    scales = [augment.RandomScale()] if scale else []
    return [*scales, augment.RandomCrop(size), augment.RandomFlip()]


@pytest.mark.once
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


@pytest.mark.once
def test_float_images_stay_floats():
    dataset = [(np.full((4, 4, 3), 0.5), np.zeros((4, 4), "int64"))]
    images, masks = Batches(dataset)[0]
    assert images.dtype == np.float32 and masks.dtype == np.int32
    assert images[0, 0, 0, 0] == 0.5


@pytest.mark.once
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


@pytest.mark.once
def test_one_size_is_not_padded():
    assert {x.shape[1:] for x, _ in Batches(pairs(), 2)} == {(12, 10, 3)}


@pytest.mark.once
def test_crop():
    images, masks = Batches(pairs(), 3, [augment.RandomCrop((5, 20))])[0]
    assert images.shape == (3, 5, 20, 3) and masks.shape == (3, 5, 20)
    assert (masks[:, :, 10:] == 255).all() and (masks[:, :, :10] < 3).all()
    images, masks = Batches(mixed_sizes(), 7, mirrored_crop(8, scale=True))[0]
    assert images.shape == (7, 8, 8, 3)
    assert set(np.unique(masks)) <= {*range(7), 255}


@pytest.mark.once
def test_shuffle():
    batches = Batches(pairs(50), 50, shuffle=True, seed=1)
    first = members(batches[0])
    assert sorted(first) == list(range(50)) and first != list(range(50))
    batches.on_epoch_end()
    second = members(batches[0])
    assert sorted(second) == list(range(50)) and second != first
    assert members(Batches(pairs(50), 50, shuffle=True, seed=2)[0]) != first


@pytest.mark.once
@pytest.mark.parametrize(
    "options", [{"workers": 1}, {"workers": 4}, {"cache": False}]
)
def test_batches_depend_on_seed_epoch_and_index_alone(options):
    rng = np.random.default_rng(0)
    dataset = [
        (
            rng.integers(0, 256, (20, 20, 3), "uint8"),
            rng.integers(0, 9, (20, 20)),
        )
        for _ in range(10)
    ]
    drawn = {"transforms": mirrored_crop(16, scale=True), "shuffle": True}
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


@pytest.mark.once
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels(channels):
    rng = np.random.default_rng(0)
    dataset = [
        (rng.integers(0, 256, (9, 12 + i, channels), "uint8"), mask)
        for i in range(2)
        for mask in [rng.integers(0, 3, (9, 12 + i))]
    ]
    images, masks = Batches(dataset, 2)[0]
    assert images.shape == (2, 9, 13, channels)
    for i, (image, mask) in enumerate(dataset):
        np.testing.assert_array_equal(images[i, :, : 12 + i], image)
        np.testing.assert_array_equal(masks[i, :, : 12 + i], mask)
    color = augment.MEAN_COLOR if channels == 3 else 115
    assert (images[0, :, 12] == color).all() and (masks[0, :, 12] == 255).all()


@pytest.mark.once
def test_batches_are_the_transformed_pairs():
    rng = np.random.default_rng(0)
    dataset = [
        (
            rng.integers(0, 256, (20, 30, 3), "uint8"),
            rng.integers(0, 9, (20, 30), "uint8"),
        )
        for _ in range(5)
    ]
    chain = [*mirrored_crop(16), augment.RandomQuarterTurns()]
    batches = Batches(dataset, 2, chain, seed=7)
    batches.epoch = 3
    images = np.concatenate([batch[0] for batch in batches])
    masks = np.concatenate([batch[1] for batch in batches])
    for place, pair in enumerate(dataset):
        rng = np.random.default_rng([7, 3, place])
        image, mask = augment.apply(chain, *pair, rng)
        np.testing.assert_array_equal(images[place], image)
        np.testing.assert_array_equal(masks[place], mask)


@pytest.mark.once
def test_pixel_weights():
    def weights(mask):
        assert mask.dtype == np.uint8
        return np.where(mask == 1, 2.5, 1).astype("float32")

    dataset = mixed_sizes()
    batches = Batches(dataset, 2, [augment.RandomFlip()], pixel_weights=weights)
    for batch in batches:
        images, masks, found = batch
        assert found.dtype == np.float32 and found.shape == masks.shape
        expected = np.where(masks == 1, 2.5, 1) * (masks != 255)
        np.testing.assert_array_equal(found, expected)
    bad = Batches(dataset, 2, pixel_weights=lambda mask: mask[1:])
    with pytest.raises(ValueError) as caught:
        bad[0]
    assert str(caught.value) == (
        "`pixel_weights` must give an array of (9, 12). Received: (8, 12)"
    )


@pytest.mark.once
def test_transforms_that_change_the_size_are_refused_when_they_do():
    def cut(image, mask, rng):
        return image[1:], mask[1:]

    with pytest.raises(ValueError) as caught:
        Batches(pairs(), 2, [augment.RandomCrop(5), cut])[0]
    assert str(caught.value) == (
        "`transforms` must give an image and a mask of (5, 5). "
        "Received: an image (4, 5, 3) and a mask (4, 5)"
    )
    assert caught.value.__notes__ == ["It was pair 0 of the data set."]


def alive():
    return [t for t in threading.enumerate() if "keras_seg" in t.name]


class Broken(list):
    """A list of which one pair cannot be read."""

    def __getitem__(self, index):
        if index == 5:
            raise OSError("no such file")
        return super().__getitem__(index)


def wait_for(condition):
    for _ in range(200):
        if condition():
            return True
        threading.Event().wait(0.02)
    return False


@pytest.mark.once
def test_errors_of_threads_name_the_pair():
    with pytest.raises(OSError, match="no such file") as caught:
        Batches(Broken(pairs()), 2)[0]  # Sizes are looked at first.
    assert caught.value.__notes__ == ["It was pair 5 of the data set."]
    batches = Batches(Broken(pairs()), 2, [augment.RandomCrop(4)])
    served = []
    with pytest.raises(OSError, match="no such file") as caught:
        for batch in batches:
            served.append(members(batch))
    assert served == [[0, 1], [2, 3]]
    assert caught.value.__notes__ == ["It was pair 5 of the data set."]
    assert wait_for(lambda: not alive())
    assert members(batches[0]) == [0, 1]  # The rest can still be read.


@pytest.mark.once
def test_threads_end():
    batches = Batches(pairs(20), 2)
    for _ in batches:
        assert alive()
    assert wait_for(lambda: not alive())
    iterator = iter(batches)
    next(iterator)
    iterator.close()
    assert wait_for(lambda: not alive())
    # An epoch that is left in the middle, and the object with it.
    batches.on_epoch_begin()
    batches[0], batches[1]
    assert alive()
    gone = weakref.ref(batches)
    del batches, iterator
    assert wait_for(lambda: not alive())
    assert gone() is None


@pytest.mark.once
def test_the_next_batches_are_read_ahead():
    reads = []

    class Dataset(list):
        def __getitem__(self, index):
            reads.append(index)
            return super().__getitem__(index)

    batches = Batches(Dataset(pairs(10)), 2, cache=False)
    batches._pairs.sizes = lambda: np.full((10, 2), (12, 10))
    batches[0]
    assert sorted(reads) == [0, 1]  # Outside of an epoch nothing is.
    reads.clear()
    batches.on_epoch_begin()
    batches[0]
    assert wait_for(lambda: sorted(reads) == list(range(6)))
    batches[1]
    assert wait_for(lambda: sorted(reads) == list(range(8)))
    # A new epoch begins in the middle of the old one: none of it is left.
    batches.on_epoch_end()
    batches.on_epoch_begin()
    assert [members(batches[0]) for _ in range(5)] == [
        [0, 1], [2, 3], [4, 5], [6, 7], [8, 9]
    ]  # fmt: skip


@pytest.mark.once
def test_called_from_many_threads():
    dataset = pairs(24)
    batches = Batches(dataset, 2, [augment.RandomFlip()], workers=3)
    found = {}

    def read(index):
        found[index] = members(batches[index])

    threads = [
        threading.Thread(target=read, args=(index,)) for index in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: [2 * i, 2 * i + 1] for i in range(12)}
    batches.on_epoch_begin()
    served = []
    threads = [
        threading.Thread(target=lambda: served.append(members(batches[0])))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(served) == [[2 * i, 2 * i + 1] for i in range(12)]


@pytest.mark.once
def test_copies():
    batches = Batches(pairs(7), 2, mirrored_crop(6), shuffle=True, seed=3)
    batches.epoch = 4
    batches[0]
    again = copy.deepcopy(batches)
    assert again.epoch == 4 and equal(list(again), list(batches))


@pytest.mark.once
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
    options = {"transforms": mirrored_crop(8), "shuffle": True, "seed": 3}
    random.seed(workers)  # which fit(shuffle=True) draws from
    watched = Watched(pairs(12), 2, **options, workers=workers)
    model().fit(watched, epochs=3, verbose=0, shuffle=shuffle)
    expected = Batches(pairs(12), 2, **options)
    assert len(watched.epochs) == 3
    for epoch, served in enumerate(watched.epochs, start=1):
        expected.epoch = epoch
        assert equal(served, list(expected))


def test_training_goes_on_where_it_stopped():
    options = {
        "transforms": [augment.RandomCrop(8)],
        "shuffle": True,
        "seed": 3,
    }
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


def test_fit_takes_pixel_weights():
    # Scores of zero: log 12 for every pixel, once and three times.
    batches = Batches(
        pairs(2),
        2,
        pixel_weights=lambda mask: np.where(mask == 1, 3, 1).astype("float32"),
    )
    history = model().fit(batches, verbose=0).history
    np.testing.assert_allclose(history["loss"], 2 * np.log(12), rtol=1e-5)


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
        ({"transforms": [augment.RandomScale(1, 2)]}, "`transforms` must "
         "leave one size: put a RandomCrop or a BalancedCrop behind what "
         "changes sizes, a square one before quarter turns. Received: "
         "transforms=(RandomScale(low=1, high=2, factors=None),)"),
        ({"transforms": augment.RandomQuarterTurns()}, "`transforms` must be "
         "a sequence of transforms. Received: "
         "transforms=RandomQuarterTurns()"),
        ({"transforms": ["flip"]}, "`transforms` must be callables (image, "
         "mask, rng). Received: 'flip'"),
        ({"seed": -1}, "`seed` must be an int of 0 or more. "
         "Received: seed=-1"),
        ({"drop_remainder": True}, "`drop_remainder` leaves no batch. "
         "Received: batch_size=8 for 7 pairs"),
    ],
)  # fmt: skip
@pytest.mark.once
def test_bad_arguments(options, text):
    with pytest.raises(ValueError) as caught:
        Batches(pairs(), **options)
    assert str(caught.value) == text


@pytest.mark.once
def test_empty_data_set():
    with pytest.raises(ValueError) as caught:
        Batches([])
    assert str(caught.value) == (
        "`dataset` must have at least one pair. Received: an empty data set"
    )


@pytest.mark.once
def test_masks_for_several_outputs():
    batches = Batches(pairs(4), 2, outputs=3, pixel_weights=np.ones_like)
    images, masks, weights = batches[0]
    assert len(masks) == len(weights) == 3
    assert all(mask is masks[0] for mask in masks)
    alone = Batches(pairs(4), 2)[0]
    np.testing.assert_array_equal(masks[2], alone[1])
    with pytest.raises(ValueError, match="Received: outputs=0"):
        Batches(pairs(4), 2, outputs=0)


def test_margin_for_an_unpadded_network():
    """A U-Net without padding gives n - 36 of n pixels at depth 2."""
    rng = np.random.default_rng(0)
    masks = rng.integers(0, 2, (2, 44, 52)).astype("uint8")
    images = np.repeat(masks[..., None], 3, -1)
    batches = Batches(
        list(zip(images, masks, strict=True)),
        2,
        pixel_weights=lambda mask: mask.astype("float32") + 1,
        margin=20,
    )
    x, y, weights = batches[0]
    assert x.shape == (2, 44, 52, 3)
    np.testing.assert_array_equal(y, masks[:, 20:-20, 20:-20])
    np.testing.assert_array_equal(weights, y + 1)
    model = UNet(filters=2, depth=2, padding="valid")
    assert model.compute_output_shape(x.shape)[:3] == y.shape
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    assert np.isfinite(model.train_on_batch(x, y, weights))
    with pytest.raises(ValueError, match="images of"):
        Batches(pairs(), margin=5)[0]
    with pytest.raises(ValueError, match="Received: margin=-1"):
        Batches(pairs(), margin=-1)


RNG = np.random.default_rng(0)
PAIRS = [
    (
        RNG.integers(0, 256, (4, 3 + i, 3), "uint8"),
        RNG.integers(0, 9, (4, 3 + i), "uint8"),
    )
    for i in range(3)
]


@pytest.mark.once
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_does_not_matter(order):
    arrays = BatchArrays([7, 8, 9], (6, 5), weighted=True)
    for place in order:
        image, mask = PAIRS[place]
        arrays.fill(place, image[:, ::-1], mask, mask.astype("float64") / 2)
    images, masks, weights = arrays.result()
    assert (images.dtype, masks.dtype, weights.dtype) == (
        np.uint8, np.int32, np.float32
    )  # fmt: skip
    for place, (image, mask) in enumerate(PAIRS):
        inside = np.s_[place, :4, : 3 + place]
        np.testing.assert_array_equal(images[inside], image[:, ::-1])
        np.testing.assert_array_equal(masks[inside], mask)
        np.testing.assert_array_equal(weights[inside], mask / 2)
        outside = np.ones((6, 5), bool)
        outside[:4, : 3 + place] = False
        assert (images[place][outside] == (124, 116, 104)).all()
        assert (masks[place][outside] == 255).all()
        assert (weights[place][outside] == 0).all()


@pytest.mark.once
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_bytes_and_floats_give_floats(order):
    pairs = [PAIRS[0], (PAIRS[1][0][:, :3] / np.float32(7), PAIRS[0][1])]
    arrays = BatchArrays([0, 1], (4, 3))
    for place in order:
        arrays.fill(place, *pairs[place])
    images, _ = arrays.result()
    assert images.dtype == np.float32
    for place, (image, _) in enumerate(pairs):
        np.testing.assert_array_equal(images[place], image)


@pytest.mark.once
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_channels_must_agree(order):
    arrays = BatchArrays([4, 6], (4, 3))
    images = [np.zeros((4, 3, 3), "uint8"), np.zeros((4, 3, 4), "uint8")]
    for place in order:
        arrays.fill(place, images[place], PAIRS[0][1])
    with pytest.raises(ValueError) as caught:
        arrays.result()
    assert str(caught.value) == (
        "The images of a batch must have the same channels. "
        "Received: pair 4 with 3, pair 6 with 4"
    )


def labelled(size, planes=3, seed=0):
    """An image, and a mask of several labels with void."""
    rng = np.random.default_rng(seed)
    mask = rng.choice(np.array([0, 1, 255], "uint8"), (*size, planes))
    return rng.integers(0, 256, (*size, 3), "uint8"), mask


@pytest.mark.once
def test_several_labels_are_padded_with_void_in_every_plane():
    data = [labelled(size, seed=i) for i, size in enumerate(SIZES[:3])]
    images, masks, weights = Batches(
        data, 3, pixel_weights=lambda mask: (mask != 255).any(-1) + 0.5
    )[0]
    assert masks.dtype == "int32" and masks.shape == (3, 10, 12, 3)
    assert images.shape == masks.shape and weights.shape == (3, 10, 12)
    for batched, (_, mask) in zip(masks, data, strict=True):
        np.testing.assert_array_equal(batched[: len(mask)], mask)
        assert (batched[len(mask) :] == 255).all()
    (_, _), (_, inner) = (
        Batches(data[:1], 1)[0],
        Batches(data[:1], 1, margin=2)[0],
    )
    np.testing.assert_array_equal(inner[0], data[0][1][2:-2, 2:-2])


@pytest.mark.once
def test_planes_of_a_batch_are_alike():
    data = [labelled((8, 8)), labelled((8, 8), 2)]
    with pytest.raises(ValueError, match="pair 0 with 3, pair 1 with 2"):
        Batches(data, 2)[0]
    data[1] = (data[1][0], data[1][1][..., 0])
    with pytest.raises(ValueError, match="pair 1 with one id a pixel"):
        Batches(data, 2)[0]


@pytest.mark.once
def test_one_plane_needs_a_data_set_that_says_so():
    class Labels(list):
        multi_label = True

    pair = labelled((8, 8), 1)
    with pytest.raises(ValueError, match="several labels"):
        Batches([pair], 1)[0]
    assert Batches(Labels([pair]), 1)[0][1].shape == (1, 8, 8, 1)
    with pytest.raises(ValueError, match="several labels"):
        Batches(Labels([(pair[0], pair[1][..., 0])]), 1)[0]


def test_repeat():
    """An epoch of two passes, each of all pairs, in an order of its own."""
    pairs = [
        (np.full((2, 2, 3), i, "uint8"), np.full((2, 2), i, "uint8"))
        for i in range(7)
    ]
    batches = Batches(pairs, 4, shuffle=True, repeat=2)
    assert [len(masks) for _, masks in batches] == [4, 4, 4, 2]
    seen = np.concatenate([masks[:, 0, 0] for _, masks in batches])
    first, second = seen[:7], seen[7:]
    assert sorted(first) == sorted(second) == list(range(7))
    assert first.tolist() != second.tolist()
    once = np.concatenate([m[:, 0, 0] for _, m in Batches(pairs, 4, repeat=2)])
    assert once.tolist() == [*range(7), *range(7)]
