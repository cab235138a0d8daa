import copy
import pickle

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

from keras_seg.applications import SlidingWindow
from keras_seg.data import DataError
from keras_seg.data import Windows
from keras_seg.data import from_folder
from keras_seg.data import synthetic
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

PLAIN = {"flips": False, "quarter_turns": False}


def numbered(sizes, seed=0, classes=3):
    """Images whose pixels say where they are, and random masks with void."""
    rng = np.random.default_rng(seed)
    data = []
    for number, (height, width) in enumerate(sizes):
        rows, columns = np.mgrid[:height, :width]
        image = np.stack([np.full_like(rows, number), rows, columns], axis=-1)
        mask = rng.choice([*range(classes), 255], (height, width))
        mask.flat[:classes] = range(classes)
        data.append((image.astype("uint8"), mask))
    return data


def epoch_of(windows):
    x, y = zip(*windows, strict=True)
    return np.concatenate(x), np.concatenate(y)


def places(windows, x):
    """The image, row and column of the pixel each window is around."""
    height, width = windows.window
    return x[:, height // 2, width // 2].astype(int)


def identity(window, channels=3):
    """A classifier whose scores are all values of the window."""
    shape = (*window, channels)
    image = keras.Input(shape)
    size = int(np.prod(shape))
    dense = layers.Dense(size, use_bias=False)
    model = keras.Model(image, dense(layers.Flatten()(image)))
    model.set_weights([np.eye(size)])
    return model


@pytest.mark.once
def test_every_pixel_of_the_rarest_class_and_as_many_of_others():
    data = numbered([(9, 12), (5, 7), (20, 3)])
    windows = Windows(data, (3, 5), 16, **PLAIN)
    masks = [mask for _, mask in data]
    counts = sum(np.bincount(m.ravel(), minlength=256)[:3] for m in masks)
    fewest, rarest = counts.min(), counts.argmin()
    assert len(set(counts)) > 1 and windows.per_class == fewest
    x, y = epoch_of(windows)
    assert x.dtype == np.uint8 and x.shape == (3 * fewest, 3, 5, 3)
    assert y.dtype == np.int32 and np.bincount(y).tolist() == [fewest] * 3
    found = [tuple(place) for place in places(windows, x)]
    assert len(set(found)) == len(found)
    assert [masks[i][row, column] for i, row, column in found] == y.tolist()
    assert len(windows) == -(-3 * fewest // 16)
    assert [len(batch[1]) for batch in windows][:-1] == [16] * (
        len(windows) - 1
    )

    windows.on_epoch_end()
    again = [tuple(place) for place in places(windows, epoch_of(windows)[0])]
    # The others are drawn anew, in a new order.
    assert found != again and set(found) != set(again)

    def of_rarest(pixels):
        return {p for p in pixels if masks[p[0]][p[1:]] == rarest}

    assert of_rarest(found) == of_rarest(again)


@pytest.mark.once
def test_at_most_so_many_of_a_class():
    data = numbered([(30, 30)])
    windows = Windows(data, 1, 10, per_class=7)
    seen = set()
    for _ in range(5):
        x, y = epoch_of(windows)
        assert np.bincount(y).tolist() == [7, 7, 7]
        seen |= {tuple(place) for place in places(windows, x)}
        windows.on_epoch_end()
    assert len(seen) > 3 * 7 * 4
    every = Windows(data, 1, per_class=10_000)
    assert every.per_class == Windows(data, 1).per_class > 7


@pytest.mark.once
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 8), st.integers(1, 8)),
    st.booleans(),
    st.booleans(),
)
def test_a_window_is_cut_from_the_mirrored_and_turned_picture(
    window, size, flips, quarter_turns
):
    """By `numpy.pad` of the whole turned picture: even, oblong, small."""
    height, width = window
    image = numbered([size], classes=1)[0][0]
    data = [(image, np.zeros(size, "uint8"))]
    options = {"flips": flips, "quarter_turns": quarter_turns}
    windows = Windows(data, window, 1000, **options)
    x, _ = windows[0]
    around = [(side // 2, side - 1 - side // 2) for side in window]
    allowed = set()
    for flip in [1, -1] if flips else [1]:
        for turns in range(4) if quarter_turns else [0, 2] if flips else [0]:
            turned = np.rot90(image[::flip], turns)
            padded = np.pad(turned, [*around, (0, 0)], mode="reflect")
            allowed |= {
                padded[row : row + height, column : column + width].tobytes()
                for row, column in np.ndindex(turned.shape[:2])
            }
    assert {part.tobytes() for part in x} <= allowed
    if not flips and not quarter_turns:
        assert {part.tobytes() for part in x} == allowed
    # Whichever way it is turned, its pixel is the one that was drawn.
    found = {tuple(place) for place in places(windows, x)}
    assert found == {(0, *pixel) for pixel in np.ndindex(size)}


@pytest.mark.once
@pytest.mark.parametrize(
    "options, count",
    [
        ({}, 8),
        ({"quarter_turns": False}, 4),
        ({"flips": False}, 4),
        (PLAIN, 1),
    ],
)
def test_turns_are_equally_likely(options, count):
    """Of one pixel, within five deviations of a binomial distribution."""
    data = [
        (np.arange(9, dtype="uint8").reshape(3, 3, 1), np.full((3, 3), 255))
    ]
    data[0][1][1, 1] = 0
    windows = Windows(data * 4000, 3, 4000, **options)
    found, times = np.unique(
        windows[0][0].reshape(4000, 9), axis=0, return_counts=True
    )
    assert len(found) == count
    share = 1 / count
    deviation = np.sqrt(4000 * share * (1 - share))
    assert abs(times - 4000 * share).max() <= 5 * deviation


@pytest.mark.parametrize("window", [(5, 5), (4, 7)])
def test_a_window_is_what_the_sliding_window_sees(window):
    """Odd and even: the scores are the values of the window."""
    data = numbered([(6, 4)], classes=2)
    windows = Windows(data, window, 64, **PLAIN)
    x, _ = windows[0]
    model = SlidingWindow(identity(window))
    seen = outputs(model, data[0][0][None].astype("float32"))[0]
    for part, (_, row, column) in zip(x, places(windows, x), strict=True):
        np.testing.assert_array_equal(part.ravel(), seen[row, column])


def test_scores_of_a_window_are_those_of_the_dense_network():
    data = numbered([(9, 8)], classes=2)
    image = keras.Input((9, 9, 3))
    x = layers.Rescaling(1 / 8)(image)
    x = layers.Conv2D(4, 3, activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Dense(3)(layers.Flatten()(x))
    classifier = randomize(keras.Model(image, x))
    windows = Windows(data, 9, 64, **PLAIN)
    x, _ = windows[0]
    logits = outputs(SlidingWindow(classifier), data[0][0][None])
    _, rows, columns = places(windows, x).T
    assert (
        relative_difference(outputs(classifier, x), logits[0, rows, columns])
        < 1e-5
    )


@pytest.mark.once
def test_batches_depend_on_seed_epoch_and_index_alone():
    data = numbered([(9, 12), (8, 8)])
    one, two = Windows(data, 3, 8), Windows(data, 3, 8)
    first = epoch_of(one)
    for index in reversed(range(len(two))):
        np.testing.assert_array_equal(two[index][0], one[index][0])
    one.on_epoch_end()
    copies = [two, copy.deepcopy(one), pickle.loads(pickle.dumps(one))]  # noqa: S301
    second = epoch_of(one)
    for other in copies:
        other.epoch = 1
        for got, expected in zip(epoch_of(other), second, strict=True):
            np.testing.assert_array_equal(got, expected)
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], epoch_of(Windows(data, 3, seed=1))[0])


@pytest.mark.once
def test_validation_is_the_same_in_every_epoch():
    windows = Windows(numbered([(9, 12)]), 3, 8, per_class=5, shuffle=False)
    first = epoch_of(windows)
    windows.on_epoch_end()
    for got, expected in zip(epoch_of(windows), first, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.once
def test_floats_stay_floats():
    data = numbered([(4, 5), (4, 5)], classes=1)
    mixed = [data[0], (data[1][0] + 0.5, data[1][1])]
    x, _ = Windows(mixed, 1)[0]
    assert x.dtype == np.float32 and {0.0, 1.5} == set(x[:, 0, 0, 0].tolist())


@pytest.mark.once
def test_a_real_slice(data_dir):
    """Of ISBI 2012: every pixel of a membrane, and as many others."""
    folder = from_folder(
        data_dir / "isbi2012_em",
        "val",
        class_table=synthetic.MEMBRANE_CLASSES,
        mask_values={0: 1, 255: 0},
        channels=1,
    ).subset([0])
    windows = Windows(folder, 95, 100, **PLAIN)
    image, mask = folder[0]
    assert windows.per_class == (mask == 1).sum() < (mask == 0).sum()
    x, y = windows[0]
    assert x.shape == (100, 95, 95, 1)
    middle = x[:, 45:50, 45:50]
    patches = np.lib.stride_tricks.sliding_window_view(
        image, (5, 5, 1), axis=(0, 1, 2)
    )[:, :, 0]
    for label in range(2):
        own = mask[2:-2, 2:-2] == label
        known = {patch.tobytes() for patch in patches[own]}
        found = [patch.tobytes() for patch in middle[y == label]]
        # But for pixels at the border.
        assert np.mean([patch in known for patch in found]) > 0.9


def test_fit_learns_which_class_the_pixel_has():
    """Black and white, of which one is a tenth: all are found."""
    mask = np.zeros((20, 20), "uint8")
    mask[:, 3:5] = 1
    windows = Windows([(255 * mask[..., None], mask)], 3, 20)
    image = keras.Input((3, 3, 1))
    x = layers.Flatten()(layers.Rescaling(1 / 127.5, -1.0)(image))
    x = layers.Dense(2, kernel_initializer="zeros")(x)
    classifier = keras.Model(image, x)
    classifier.compile(
        keras.optimizers.SGD(0.5),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    first = windows.epoch
    history = classifier.fit(windows, epochs=3, verbose=0)
    assert windows.epoch == first + 4  # See `Epochs`.
    assert history.history["loss"][-1] < 0.5 * np.log(2)
    logits = outputs(SlidingWindow(classifier), 255.0 * mask[None, ..., None])
    np.testing.assert_array_equal(logits[0].argmax(-1), mask)


@pytest.mark.once
@pytest.mark.parametrize(
    "options, text",
    [
        ({"window": 0}, "`window` must be an int of 1 or more. Received: "
         "window=0"),
        ({"window": (3, 3, 1)}, "`window` must be an int or (height, width). "
         "Received: window=(3, 3, 1)"),
        ({"window": (3, 2.5)}, "`window` must be an int of 1 or more. "
         "Received: window=2.5"),
        ({"batch_size": 0}, "`batch_size` must be an int of 1 or more. "
         "Received: batch_size=0"),
        ({"per_class": 0}, "`per_class` must be an int of 1 or more. "
         "Received: per_class=0"),
        ({"seed": -1}, "`seed` must be an int of 0 or more. Received: seed=-1"),
        ({"class_table": 4},
         "Every class must have pixels, for as many of each "
         "are drawn. Received: none of class 3 ('class 3'). Fix: add a mask "
         "that has it, or leave it out of `class_table`"),
        ({"data": []}, "`data` must have at least one pair. Received: an "
         "empty data set"),
    ],
)  # fmt: skip
def test_bad_arguments(options, text):
    arguments = {"data": numbered([(5, 5)]), "window": 3, **options}
    with pytest.raises(ValueError) as caught:
        Windows(**arguments)
    assert str(caught.value) == text


@pytest.mark.once
def test_bad_data():
    (image, mask), other = numbered([(5, 5), (4, 4)])
    with pytest.raises(ValueError, match="3 in pair 0, 1 in pair 1") as caught:
        Windows([(image, mask), (other[0][..., :1], other[1])], 3)
    assert "one number of channels" in str(caught.value)
    with pytest.raises(ValueError, match=r"pair 0 with an image \(5, 5\)"):
        Windows([(image[..., 0], mask)], 3)
    with pytest.raises(DataError, match="mask 1"):
        Windows([(image, mask), (other[0], other[1] + 7)], 3, class_table=3)
    # A class by its name.
    with pytest.raises(ValueError, match="none of class 1 \\('membrane'\\)"):
        Windows([(image, 0 * mask)], 3, class_table=synthetic.MEMBRANE_CLASSES)
