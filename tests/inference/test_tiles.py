import tracemalloc

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_seg.applications import UNet
from keras_seg.inference import Tiles
from keras_seg.inference import predict
from tests.networks import outputs
from tests.networks import randomize
from tests.networks import relative_difference

RNG = np.random.default_rng(0)

TILES = st.builds(
    lambda multiple, size, overlap, margin: Tiles(
        multiple * size,
        multiple * min(overlap, size // 2),
        min(margin, multiple * min(overlap, size // 2) // 2),
        multiple,
    ),
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(0, 3),
)


def joined(tiles, score, image):
    """The blocks put together; every pixel must come once."""
    seen = np.zeros(image.shape[:2], int)
    y = None
    for rows, columns, scores in tiles.blocks(score, image):
        if y is None:
            y = np.full((*image.shape[:2], scores.shape[-1]), np.nan, "f4")
        seen[rows, columns] += 1
        y[rows, columns] = scores
    assert (seen == 1).all()
    return y


@given(TILES, st.integers(1, 60))
def test_weights_of_a_pixel_add_up_to_1(tiles, length):
    total = np.zeros(length)
    for start, stop, weights in tiles.along(length):
        assert start % tiles.multiple == 0
        assert stop - start < tiles.size + tiles.multiple
        assert (weights >= 0).all()
        total[start:stop] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(TILES, st.integers(1, 40), st.integers(1, 40))
def test_what_an_identity_says_survives(tiles, height, width):
    """Exactly, for class ids."""
    ids = RNG.integers(0, 5, (height, width))
    found = joined(tiles, lambda tile: tile, np.eye(5, dtype="f4")[ids])
    np.testing.assert_array_equal(found.argmax(axis=-1), ids)


@given(TILES, st.integers(1, 40), st.integers(1, 40))
def test_what_is_seen_within_the_margin_is_the_same(tiles, height, width):
    """The mean of a window, which the border of a tile would change."""
    reach = tiles.overlap // 4 if tiles.margin is None else tiles.margin

    def score(tile):
        padded = np.pad(tile, [(reach, reach)] * 2 + [(0, 0)])
        side = 2 * reach + 1
        windows = np.lib.stride_tricks.sliding_window_view(
            padded, (side, side), (0, 1)
        )
        return windows.mean(axis=(-1, -2))

    image = RNG.normal(size=(height, width, 2)).astype("f4")
    np.testing.assert_allclose(
        joined(tiles, score, image), score(image), atol=1e-5
    )


def test_a_network_of_stride_8_says_the_same():
    """That it sees 31 pixels to each side is less than the margin of 32.

    At the borders of the image what it pads with counts, so the image is a
    multiple of its stride, and so are the tiles.
    """
    image = keras.Input((None, None, 3))
    x = image
    for _ in range(3):
        x = keras.layers.Conv2D(6, 3, 2, "same", activation="relu")(x)
    x = keras.layers.Conv2D(4, 3, padding="same")(x)
    x = keras.layers.UpSampling2D(8, interpolation="nearest")(x)
    model = randomize(keras.Model(image, x))
    x = RNG.normal(size=(224, 320, 3)).astype("f4")
    tiles = Tiles(128, overlap=64, margin=32, multiple=8)
    found = joined(tiles, lambda tile: outputs(model, tile[None])[0], x)
    assert relative_difference(found, outputs(model, x[None])[0]) < 1e-5


def test_any_model_and_size():
    """Odd sizes, and images smaller than a tile, which are one tile."""
    model = randomize(UNet(classes=3, filters=2, depth=3))

    def score(tile):
        return outputs(model, tile[None])[0]

    small = RNG.uniform(0, 255, (33, 61, 3)).astype("f4")
    np.testing.assert_array_equal(
        joined(Tiles(64, overlap=32), score, small), score(small)
    )
    large = RNG.uniform(0, 255, (33, 131, 3)).astype("f4")
    assert np.isfinite(joined(Tiles(64, overlap=32), score, large)).all()


@pytest.mark.parametrize(
    ("side", "megabytes"),
    [(4_000, 60), pytest.param(20_000, 500, marks=pytest.mark.slow)],
)
def test_memory_is_that_of_a_row_of_overlaps(tmp_path, side, megabytes):
    """From file to file, four classes.

    The scores of all 20,000 × 20,000 pixels would take 6.4 GB; a tile of
    2048 takes 67 MB, what a row of them shares with the next 41 to 100 MB.
    """
    image = np.memmap(tmp_path / "image", "uint8", "w+", shape=(side, side, 1))
    ids = np.memmap(tmp_path / "ids", "uint8", "w+", shape=(side, side))
    image[::100, ::7] = 3
    tiles = Tiles(512 if side < 10_000 else 2048, overlap=128)

    def score(tile):
        return tile == np.arange(4, dtype="uint8")

    tracemalloc.start()
    try:
        for rows, columns, scores in tiles.blocks(score, image):
            ids[rows, columns] = scores.argmax(axis=-1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < megabytes * 1e6
    for row in range(0, side, 50):
        np.testing.assert_array_equal(ids[row], image[row, :, 0])


@given(TILES, st.integers(1, 60), st.integers(1, 30), st.integers(1, 4))
def test_strips_are_those_of_the_whole_to_the_last_bit(
    tiles, height, width, rows
):
    """Of a score that depends on where the tile begins."""

    def score(tile):
        return np.cumsum(tile, axis=0, dtype="f4") + np.cumsum(tile, axis=1)

    image = RNG.normal(size=(height, width, 2)).astype("f4")
    whole = joined(tiles, score, image)
    strips = tiles.strips(height, rows)
    assert [strips[0][0], strips[-1][1]] == [0, height]
    for top, bottom in strips:
        blocks = list(tiles.blocks(score, image, (top, bottom)))
        pixels = sum(scores.shape[0] * scores.shape[1] for *_, scores in blocks)
        assert pixels == (bottom - top) * width
        for inside, columns, scores in blocks:
            assert top <= inside.start < inside.stop <= bottom
            np.testing.assert_array_equal(scores, whole[inside, columns])


def test_strips_are_predicted_as_the_whole():
    model = UNet(classes=3, filters=4, depth=2)
    image = RNG.integers(0, 256, (230, 70, 3)).astype("uint8")
    tiles = Tiles(64, overlap=32)
    found = [
        predict(model, image, tiles, strip=strip)
        for strip in tiles.strips(230, rows=2)
    ]
    np.testing.assert_array_equal(
        np.concatenate(found), predict(model, image, tiles)
    )
    for arguments, said in (
        ({"images": image, "strip": (0, 230)}, "no `tiles`"),
        ({"images": image, "strip": (7, 230), "tiles": tiles}, "where one"),
        ({"images": [image], "strip": (0, 230), "tiles": tiles}, "for one"),
    ):
        with pytest.raises(ValueError, match=said):
            predict(model, **arguments)


def test_halved_until_they_are_as_small_as_they_can_be():
    tiles = Tiles(512, overlap=128)
    assert tiles.halved() == Tiles(256, overlap=128)
    assert tiles.halved().halved() == Tiles(128, overlap=64)
    assert Tiles(64, overlap=32, margin=16).halved() == Tiles(
        32, overlap=0, margin=0
    )
    assert Tiles(64, overlap=0).can_be_halved
    assert not Tiles(32, overlap=0).can_be_halved


def test_count():
    assert Tiles(512, overlap=128).count((512, 900)) == 2
    assert Tiles(512, overlap=128).count((512, 950)) == 3
    assert Tiles(512, overlap=128).count((100, 100)) == 1


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"size": 100}, "`size`"),
        ({"size": 0}, "`size`"),
        ({"overlap": 30}, "`overlap`"),
        ({"size": 64, "overlap": 64}, "half of the size"),
        ({"margin": 65}, "`margin`"),
        ({"margin": -1}, "`margin`"),
        ({"multiple": 0}, "`multiple`"),
        ({"size": 64.0}, "`size`"),
    ],
)
def test_bad_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        Tiles(**arguments)
