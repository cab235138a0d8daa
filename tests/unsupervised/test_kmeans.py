"""The segmenter against scikit-learn's KMeans on all pixels."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from keras_seg.unsupervised import KMeansSegmenter
from keras_seg.unsupervised import pictures
from tests.unsupervised.photographs import features
from tests.unsupervised.photographs import photograph

pytestmark = pytest.mark.once

SPACES = [("rgb", 0.0), ("lab", 0.0), ("rgb", 0.5), ("lab", 0.25)]


def on_all_pixels(rows, start, tolerance=0.0):
    return KMeans(len(start), init=start, n_init=1, tol=tolerance).fit(rows)


def some_colors(rows, count):
    """Pixels, moved a little: none is as near to two of them."""
    rng = np.random.default_rng(1)
    chosen = rows[rng.choice(len(rows), count, replace=False)]
    return chosen + rng.uniform(0, 0.5, chosen.shape)


@pytest.mark.parametrize("tolerance", [0.0, 1e-2])
@pytest.mark.parametrize("color_space, position", SPACES)
def test_same_as_on_all_pixels(color_space, position, tolerance):
    image = photograph()
    colors = some_colors(features(image, position=float(position > 0)), 6)
    start = colors.copy()
    if color_space == "lab":
        start[:, :3] = features(colors[None, :, :3], "lab")
    start[:, 3:] *= position
    rows = features(image, color_space, position)
    expected = on_all_pixels(rows, start, tolerance)
    found = KMeansSegmenter(
        6,
        color_space=color_space,
        position=position,
        tolerance=tolerance,
        initial_centers=colors,
    ).fit(image)
    np.testing.assert_array_equal(
        found.predict(image).ravel(), expected.labels_
    )
    np.testing.assert_allclose(found.inertia, expected.inertia_, rtol=1e-9)
    np.testing.assert_allclose(
        found.features, expected.cluster_centers_, atol=1e-7
    )
    np.testing.assert_array_equal(found.counts, np.bincount(expected.labels_))


@given(
    seed=st.integers(0, 10_000),
    colors=st.integers(2, 12),
    channels=st.sampled_from([1, 3]),
    data=st.data(),
)
def test_same_as_on_all_pixels_of_small_images(seed, colors, channels, data):
    """Colours are floats, so that no two distances are equal."""
    rng = np.random.default_rng(seed)
    palette = rng.uniform(0, 255, (colors, channels))
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(12, 20)))
    ids = rng.integers(0, colors, shape)
    ids.flat[:colors] = np.arange(colors)
    image = palette[ids]
    clusters = data.draw(st.integers(1, colors))
    start = palette[:clusters]
    expected = on_all_pixels(features(image), start)
    found = KMeansSegmenter(clusters, tolerance=0, initial_centers=start)
    found.fit(image)
    np.testing.assert_allclose(
        found.inertia, expected.inertia_, rtol=1e-9, atol=1e-6
    )
    if clusters < colors:  # otherwise in the order of the colours
        np.testing.assert_array_equal(
            found.predict(image).ravel(), expected.labels_
        )


@given(
    seed=st.integers(0, 10_000),
    clusters=st.integers(1, 6),
    dtype=st.sampled_from(["uint16", "float32"]),
    position=st.sampled_from([0.0, 3000.0]),
)
def test_ends_where_nothing_can_change(seed, clusters, dtype, position):
    """Pixels are at their nearest centre, centres are their pixels' means."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 2**16, (5, 7, 3)).astype(dtype)
    kmeans = KMeansSegmenter(
        clusters, position=position, tolerance=0, seed=seed
    ).fit(image)
    rows = features(image, position=position)
    ids = kmeans.predict(image).ravel()
    distances = ((rows[:, None] - kmeans.features) ** 2).sum(axis=-1)
    own = distances[np.arange(len(ids)), ids]
    means = [rows[ids == i].mean(axis=0) for i in range(clusters)]
    np.testing.assert_array_equal(own, distances.min(axis=1))
    np.testing.assert_allclose(kmeans.inertia, own.sum())
    np.testing.assert_array_equal(kmeans.counts, np.bincount(ids))
    np.testing.assert_allclose(kmeans.features, means)
    np.testing.assert_array_equal(kmeans.centers, kmeans.features[:, :3])


@pytest.mark.parametrize("color_space", ["rgb", "lab"])
def test_objective_never_increases(color_space):
    image = photograph()
    inertias = [
        KMeansSegmenter(
            5, color_space=color_space, max_iterations=n, tolerance=0, seed=3
        )
        .fit(image)
        .inertia
        for n in range(1, 9)
    ]
    assert inertias == sorted(inertias, reverse=True)
    assert inertias[-1] < 0.99 * inertias[0]


def test_more_runs_are_not_worse():
    image = photograph()
    inertias = [
        KMeansSegmenter(7, initializations=n, seed=0).fit(image).inertia
        for n in (1, 2, 4, 8)
    ]
    assert inertias == sorted(inertias, reverse=True)
    assert inertias[-1] < inertias[0]


def test_seed():
    image = photograph(32)
    one, same, other = (
        KMeansSegmenter(6, max_iterations=1, seed=seed).fit(image)
        for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(one.centers, same.centers)
    np.testing.assert_array_equal(one.predict(image), same.predict(image))
    assert not np.array_equal(one.centers, other.centers)


@pytest.mark.parametrize("color_space, position", SPACES)
def test_fewer_colors_than_clusters(color_space, position):
    """As many clusters as there are, and no warning, which is an error."""
    image = np.zeros((1, 4, 3), "uint8")
    image[0, 1:3] = [[250, 20, 30], [10, 200, 90]]
    kmeans = KMeansSegmenter(
        8, color_space=color_space, position=position, seed=0
    ).fit([image, image])
    distinct = 4 if position else 3
    ids = kmeans.predict(image)
    assert len(kmeans.centers) == len(kmeans.features) == distinct
    assert len(np.unique(ids)) == distinct
    assert kmeans.counts.sum() == 8 and kmeans.inertia == 0
    np.testing.assert_allclose(kmeans.centers[ids], image, atol=1e-2)


@pytest.mark.parametrize("color_space", ["rgb", "lab"])
@pytest.mark.parametrize("clusters", [1, 3])
def test_constant_image(color_space, clusters):
    image = np.full((4, 5, 3), (10, 20, 30), "uint8")
    kmeans = KMeansSegmenter(clusters, color_space=color_space).fit(image)
    np.testing.assert_allclose(kmeans.centers, [[10, 20, 30]], atol=1e-2)
    assert kmeans.counts.tolist() == [20] and not kmeans.predict(image).any()


def test_several_images_are_one():
    """Of any size, as a list, a generator, or an array of four axes."""
    image = photograph(48)
    start = image[0, :4].astype(float)

    def fitted(images):
        kmeans = KMeansSegmenter(4, tolerance=0, initial_centers=start)
        return kmeans.fit(images)

    whole = fitted(image)
    cuts = [image[:10], image[10:, :17], image[10:, 17:]]
    batch = image.reshape(6, 8, 48, 3)
    for images in (cuts, iter(cuts), batch):
        kmeans = fitted(images)
        np.testing.assert_allclose(kmeans.centers, whole.centers)
        np.testing.assert_array_equal(kmeans.counts, whole.counts)
    assert whole.counts.sum() == 48 * 48


def test_positions_are_of_each_image():
    """x and y start anew, so that two images lie upon each other."""
    left = np.zeros((3, 10), "uint8")
    start = [[0, 0, 0], [0, 9, 0]]  # grey, x, y
    kmeans = KMeansSegmenter(2, position=2.0, initial_centers=start)
    kmeans.fit([left, left])
    assert kmeans.counts.tolist() == [30, 30]
    # x is 0 … 4 and 5 … 9, y is 0 … 2, both twice as far.
    assert kmeans.features.tolist() == [[0, 4, 2], [0, 14, 2]]
    assert kmeans.centers.tolist() == [[0], [0]]
    ids = kmeans.predict(np.zeros((1, 12), "uint8"))
    assert ids.tolist() == [[0] * 5 + [1] * 7]


@pytest.mark.parametrize("color_space, position", SPACES)
@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_tiles_are_not_seen(monkeypatch, color_space, position, dtype):
    """Smaller than a row, of a few rows: the same clusters and ids."""
    image = photograph(32)[:, :25].astype(dtype)
    before = image.copy()
    start = features(image, position=1.0)[::200]
    start = start if position else start[:, :3]
    kmeans = KMeansSegmenter(
        len(start),
        color_space=color_space,
        position=position,
        initial_centers=start,
    )
    centers, ids = kmeans.fit(image).centers, kmeans.predict(image)
    for pixels in (7, 60):
        monkeypatch.setattr(pictures, "PIXELS_OF_A_TILE", pixels)
        monkeypatch.setattr(pictures, "ROWS_OF_A_PIECE", 5)
        np.testing.assert_allclose(kmeans.fit(image).centers, centers)
        np.testing.assert_array_equal(kmeans.predict(image), ids)
    np.testing.assert_array_equal(image, before)


def test_memory_of_prediction():
    """20 megapixels take no more than 0.8, beside the result."""
    kmeans = KMeansSegmenter(3, seed=0).fit(photograph())
    beside = []
    for height in (200, 5000):
        # One row over and over, which itself takes no memory.
        row = photograph(64).reshape(1, 4096, 3)[:, :4000]
        image = np.broadcast_to(row, (height, 4000, 3))
        tracemalloc.start()
        ids = kmeans.predict(image)
        beside.append(tracemalloc.get_traced_memory()[1] - ids.nbytes)
        tracemalloc.stop()
        assert ids.dtype == np.uint8 and (ids == ids[0]).all()
    assert max(beside) < 32e6 and beside[1] < beside[0] + 1e6


def test_dtypes():
    """Equal values have equal clusters, whatever they are kept in."""
    image = photograph(32)
    expected = KMeansSegmenter(4, seed=0).fit(image)
    for dtype in ("uint16", ">u2", "float16", "float64"):
        kmeans = KMeansSegmenter(4, seed=0).fit(image.astype(dtype))
        np.testing.assert_array_equal(kmeans.centers, expected.centers)
        np.testing.assert_array_equal(
            kmeans.predict(image.astype(dtype)), expected.predict(image)
        )
    grey = KMeansSegmenter(300).fit(np.arange(300, dtype="uint16")[None])
    ids = grey.predict(np.array([[299, 0]], "uint16"))
    assert ids.dtype == np.uint16 and ids.tolist() == [[299, 0]]


def test_deep_colors_in_lab():
    """65535 is white, as 255 is of 8 bits: 257 times as much."""
    image = photograph(32)
    eight = KMeansSegmenter(4, color_space="lab", seed=0).fit(image)
    deep = image.astype("uint16") * 257
    sixteen = KMeansSegmenter(4, color_space="lab", seed=0).fit(deep)
    np.testing.assert_allclose(sixteen.features, eight.features)
    np.testing.assert_allclose(sixteen.centers, 257 * eight.centers)
    np.testing.assert_allclose(
        features(eight.centers[None], "lab"), eight.features, atol=1e-2
    )


def test_grey_and_color_are_not_mixed():
    image = photograph(16)
    color, grey = KMeansSegmenter(2), KMeansSegmenter(2)
    color.fit(image)
    grey.fit(image[..., :1])
    assert grey.predict(image[..., 0]).shape == (16, 16)
    with pytest.raises(ValueError, match="channels=3.*Received: channels=1"):
        color.predict(image[..., 0])
    with pytest.raises(ValueError, match="channels=1.*Received: channels=3"):
        grey.predict(image)
    with pytest.raises(ValueError, match=r"0\.\.\.255.*dtype uint16"):
        color.predict(image.astype("uint16"))
    with pytest.raises(ValueError, match="channels=3 in image 0, uint8 and"):
        color.fit([image, image[..., 0]])
    # What failed has changed nothing.
    assert color.predict(image).shape == (16, 16)


@pytest.mark.parametrize(
    "arguments",
    [
        {"clusters": 0},
        {"clusters": 2.0},
        {"initializations": 0},
        {"max_iterations": 0},
        {"position": -1.0},
        {"position": float("nan")},
        {"tolerance": -1e-4},
        {"color_space": "hsv"},
        {"seed": -1},
    ],
)
def test_bad_arguments(arguments):
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        KMeansSegmenter(**arguments)


def test_bad_initial_centers():
    for start in ([[1.0]], [[1.0, 2, 3]], [[1.0, 2, float("nan")]] * 2):
        kmeans = KMeansSegmenter(2, initial_centers=start)
        with pytest.raises(ValueError, match=r"dimensions\)=\(2, 3\)"):
            kmeans.fit(photograph(16))


def test_before_fit():
    with pytest.raises(ValueError, match="call `fit` first"):
        KMeansSegmenter().predict(photograph(16))


def test_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(ImportError, match=r"keras-seg\[classical\]"):
        KMeansSegmenter(2).fit(photograph(16))


def test_import_brings_nothing_heavy():
    code = (
        "import sys\n"
        "import keras_seg.unsupervised\n"
        "print({'sklearn', 'skimage', 'scipy', 'keras'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_a_photograph(data_dir):
    """Of PASCAL VOC: what a run from the same start has on all pixels."""
    from keras_seg.data import read_image

    path = data_dir / "voc_samples/JPEGImages/2007_006449.jpg"
    image = read_image(path)[::2, ::2]
    start = some_colors(features(image), 8)
    expected = on_all_pixels(features(image), start, 1e-4)
    kmeans = KMeansSegmenter(8, initial_centers=start).fit(image)
    np.testing.assert_allclose(kmeans.inertia, expected.inertia_, rtol=1e-9)
    np.testing.assert_array_equal(
        kmeans.predict(image).ravel(), expected.labels_
    )
