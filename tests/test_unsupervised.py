"""The segmenter against scikit-learn's KMeans on all pixels."""

import itertools
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2lab
from sklearn.cluster import KMeans

from keras_seg import unsupervised
from keras_seg.data.synthetic import smooth
from keras_seg.unsupervised import KMeansSegmenter
from keras_seg.unsupervised import match_clusters

pytestmark = pytest.mark.once

SPACES = [("rgb", 0.0), ("lab", 0.0), ("rgb", 0.5), ("lab", 0.25)]
IMAGE = np.arange(24, dtype="uint8").reshape(2, 4, 3)


def photograph(size=64, seed=0):
    """A uint8 image `(size, size, 3)`: smooth colors, and some noise."""
    rng = np.random.default_rng(seed)
    maps = [smooth(rng, size, 16) for _ in range(3)]
    noise = rng.normal(0, 3, (size, size, 3))
    image = 120 + 50 * np.stack(maps, axis=-1) + noise
    return image.clip(0, 255).astype("uint8")


def features(image, color_space="rgb", position=0.0):
    """A row for each pixel, as the documentation of the segmenter has it."""
    height, width = image.shape[:2]
    colors = image.reshape(height * width, -1).astype(float)
    if color_space == "lab":
        colors = rgb2lab(colors / 255)
    if not position:
        return colors
    y, x = np.indices((height, width)).reshape(2, -1)
    return np.column_stack([colors, position * x, position * y])


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
        tol=tolerance,
        init=colors,
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
    """Colors are floats, so that no two distances are equal."""
    rng = np.random.default_rng(seed)
    palette = rng.uniform(0, 255, (colors, channels))
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(12, 20)))
    ids = rng.integers(0, colors, shape)
    ids.flat[:colors] = np.arange(colors)
    image = palette[ids]
    clusters = data.draw(st.integers(1, colors))
    start = palette[:clusters]
    expected = on_all_pixels(features(image), start)
    found = KMeansSegmenter(clusters, tol=0, init=start)
    found.fit(image)
    np.testing.assert_allclose(
        found.inertia, expected.inertia_, rtol=1e-9, atol=1e-6
    )
    if clusters < colors:  # otherwise in the order of the colors
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
    """Pixels are at their nearest center, centers are their pixels' means."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 2**16, (5, 7, 3)).astype(dtype)
    kmeans = KMeansSegmenter(clusters, position=position, tol=0, seed=seed).fit(
        image
    )
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
        KMeansSegmenter(5, color_space=color_space, max_iter=n, tol=0, seed=3)
        .fit(image)
        .inertia
        for n in range(1, 9)
    ]
    assert inertias == sorted(inertias, reverse=True)
    assert inertias[-1] < 0.99 * inertias[0]


def test_more_runs_are_not_worse():
    image = photograph()
    inertias = [
        KMeansSegmenter(7, n_init=n, seed=0).fit(image).inertia
        for n in (1, 2, 4, 8)
    ]
    assert inertias == sorted(inertias, reverse=True)
    assert inertias[-1] < inertias[0]


def test_seed():
    image = photograph(32)
    one, same, other = (
        KMeansSegmenter(6, max_iter=1, seed=seed).fit(image)
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
        kmeans = KMeansSegmenter(4, tol=0, init=start)
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
    start = [[0, 0, 0], [0, 9, 0]]  # gray, x, y
    kmeans = KMeansSegmenter(2, position=2.0, init=start)
    kmeans.fit([left, left])
    assert kmeans.counts.tolist() == [30, 30]
    # x is 0 … 4 and 5 … 9, y is 0 … 2, both twice as far.
    assert kmeans.features.tolist() == [[0, 4, 2], [0, 14, 2]]
    assert kmeans.centers.tolist() == [[0], [0]]
    ids = kmeans.predict(np.zeros((1, 12), "uint8"))
    assert ids.tolist() == [[0] * 5 + [1] * 7]


@given(
    seed=st.integers(0, 10_000),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    channels=st.sampled_from([1, 3]),
    position=st.booleans(),
)
def test_distinct_colors_are_counted(seed, dtype, channels, position):
    """Few values, the least and the largest among them, so that some agree."""
    rng = np.random.default_rng(seed)
    values = np.array([0, 1, 2, 254, 255], dtype)
    if dtype == "uint16":
        values = np.array([0, 255, 256, 40_000, 65_535], dtype)
    sizes = [(2, 9, channels), (6, 5, channels)]
    images = [rng.choice(values, size) for size in sizes]
    kmeans = KMeansSegmenter(999, position=float(position)).fit(images)
    pixels = [features(image, position=float(position)) for image in images]
    expected = np.unique(np.concatenate(pixels), axis=0, return_counts=True)
    np.testing.assert_array_equal(kmeans.features, expected[0])
    np.testing.assert_array_equal(kmeans.counts, expected[1])
    assert kmeans.counts.dtype == np.int64


@pytest.mark.parametrize("color_space, position", SPACES)
def test_blocks_are_not_seen(monkeypatch, color_space, position):
    """Of less than a row, of a few rows: the same ids, the image unchanged."""
    image = photograph(32)[:, :25].astype(float)
    before = image.copy()
    kmeans = KMeansSegmenter(
        8, color_space=color_space, position=position, seed=0
    )
    ids = kmeans.fit(image).predict(image)
    for pixels in (7, 60):
        monkeypatch.setattr(unsupervised, "PIXELS_AT_ONCE", pixels)
        np.testing.assert_array_equal(kmeans.predict(image), ids)
    np.testing.assert_array_equal(image, before)


def test_the_first_of_equally_near_clusters():
    """Far from zero: squares of a million would drown a millionth."""
    gray = 1e6 + np.array([[0.0, 1e-6, 2e-6, 3e-6]])
    kmeans = KMeansSegmenter(2).fit(gray[:, [0, 3]])
    assert kmeans.predict(gray).tolist() == [[0, 0, 1, 1]]
    kmeans = KMeansSegmenter(2).fit(np.array([[4, 2]], "uint8"))
    assert kmeans.predict(np.array([[3, 4]], "uint8")).tolist() == [[0, 1]]


def test_colors_that_cannot_be_told_apart():
    """Distinct, but not after scikit-learn has taken the mean off."""
    rows = np.array([1e9, np.nextafter(1e9, 2e9), -1e9])
    image = np.concatenate([rows, rows + 5e8, rows + 5e8 + 1e-7])[None]
    kmeans = KMeansSegmenter(8, seed=0).fit([image, image])
    assert len(kmeans.centers) == len(kmeans.counts) <= 8
    assert (kmeans.counts > 0).all() and kmeans.inertia < 1
    assert kmeans.counts.sum() == 18


@pytest.mark.parametrize("tolerance", [0.0, 1e-3, 1e-2, 0.1, 1.0])
def test_tolerance_is_of_all_pixels(tolerance):
    """What is frequent is close together here: the variance of all pixels is
    less than a tenth of that of the distinct colors."""
    rng = np.random.default_rng(0)
    colors = rng.normal(size=(300, 3)) ** 3
    counts = np.where((np.abs(colors) < 1).all(axis=1), 30, 1)
    image = np.repeat(colors, counts, axis=0)[None]
    start = colors[:9] + 0.01
    expected = on_all_pixels(image[0], start, tolerance)
    found = KMeansSegmenter(9, init=start, tol=tolerance).fit(image)
    np.testing.assert_allclose(
        found.features, expected.cluster_centers_, atol=1e-9
    )
    np.testing.assert_allclose(found.inertia, expected.inertia_, atol=1e-9)


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
    gray = KMeansSegmenter(300).fit(np.arange(300, dtype="uint16")[None])
    ids = gray.predict(np.array([[299, 0]], "uint16"))
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


def test_gray_and_color_are_not_mixed():
    image = photograph(16)
    color, gray = KMeansSegmenter(2), KMeansSegmenter(2)
    color.fit(image)
    gray.fit(image[..., :1])
    assert gray.predict(image[..., 0]).shape == (16, 16)
    with pytest.raises(ValueError, match="channels=3.*Received: channels=1"):
        color.predict(image[..., 0])
    with pytest.raises(ValueError, match="channels=1.*Received: channels=3"):
        gray.predict(image)
    with pytest.raises(ValueError, match=r"0\.\.\.255.*dtype uint16"):
        color.predict(image.astype("uint16"))
    with pytest.raises(ValueError, match="channels=3.*Received: channels=1"):
        color.fit([image, image[..., 0]])
    # What failed has changed nothing.
    assert color.predict(image).shape == (16, 16)


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_clusters": 0},
        {"n_clusters": 2.0},
        {"n_init": 0},
        {"max_iter": 0},
        {"position": -1.0},
        {"position": float("nan")},
        {"tol": -1e-4},
        {"color_space": "hsv"},
        {"seed": -1},
    ],
)
def test_bad_arguments(arguments):
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        KMeansSegmenter(**arguments)


def test_bad_init():
    for start in (
        [1.0, 2],
        [[1.0]],
        [[1.0, 2, 3]],
        [[1.0, 2, float("nan")]] * 2,
    ):
        kmeans = KMeansSegmenter(2, init=start)
        with pytest.raises(ValueError, match="initial centers|NaN"):
            kmeans.fit(photograph(16))


@pytest.mark.parametrize(
    "image",
    [
        IMAGE[0, 0],
        np.zeros((4, 5, 4), "uint8"),
        np.zeros((0, 5, 3), "uint8"),
        [[1, 2], [3, 4]],
    ],
)
def test_no_image(image):
    with pytest.raises(ValueError, match="finite array.*Received"):
        KMeansSegmenter(1).fit(image)


def test_nothing():
    with pytest.raises(ValueError, match="Received: none"):
        KMeansSegmenter(1).fit([])


@pytest.mark.parametrize("dtype", ["int64", "bool", "int8"])
def test_other_dtypes(dtype):
    with pytest.raises(ValueError, match=f"dtype {dtype}"):
        KMeansSegmenter(1).fit(IMAGE.astype(dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("color_space", ["rgb", "lab"])
def test_not_finite(value, color_space):
    kmeans = KMeansSegmenter(2, color_space=color_space).fit(IMAGE)
    image = IMAGE.astype("float32")
    image[1, 2, 1] = value
    for call in (kmeans.predict, kmeans.fit):
        with pytest.raises(ValueError, match="Received.*, NaN or inf"):
            call(image)


def test_white_and_red():
    """L*a*b* of sRGB under D65 as published: red is (53.24, 80.09, 67.20)."""
    image = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0]]], "uint8")
    kmeans = KMeansSegmenter(3, color_space="lab").fit(image)
    expected = [[0, 0, 0], [53.24, 80.09, 67.20], [100, 0, 0]]
    np.testing.assert_allclose(kmeans.features, expected, atol=0.02)
    np.testing.assert_allclose(
        kmeans.centers, [[0, 0, 0], [255, 0, 0], [255, 255, 255]], atol=0.02
    )


def test_floats_are_up_to_255():
    image = photograph(16) / 255
    with pytest.raises(ValueError, match=r"0\.\.\.255, not 0\.\.\.1"):
        KMeansSegmenter(2, color_space="lab").fit(image)
    for wrong in (image * 300, image * 255 - 128):
        with pytest.raises(ValueError, match="Received: .*values in"):
            KMeansSegmenter(2, color_space="lab").fit(wrong)
    kmeans = KMeansSegmenter(2, color_space="lab").fit(image * 255)
    # Nearly black, it may be a part of an image.
    assert len(np.unique(kmeans.predict(image))) == 1


def test_gray_has_no_lab():
    with pytest.raises(ValueError, match="gray ones take 'rgb'"):
        KMeansSegmenter(2, color_space="lab").fit(photograph(16)[..., 0])


def test_lab_without_scikit_image(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.color", None)
    with pytest.raises(ImportError, match=r"keras-seg\[classical\]"):
        KMeansSegmenter(2, color_space="lab").fit(photograph(16))


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
    kmeans = KMeansSegmenter(8, init=start).fit(image)
    np.testing.assert_allclose(kmeans.inertia, expected.inertia_, rtol=1e-9)
    np.testing.assert_array_equal(
        kmeans.predict(image).ravel(), expected.labels_
    )


def right(matrix, match):
    """The pixels whose cluster's class is theirs."""
    return matrix[np.arange(len(matrix)), match].sum()


@given(
    seed=st.integers(0, 10_000),
    clusters=st.integers(1, 5),
    classes=st.integers(1, 5),
)
def test_no_assignment_is_better(seed, clusters, classes):
    """All ways to give clusters classes, no class twice, are tried."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 50, (clusters, classes))
    match = match_clusters(matrix)
    assert match.dtype == np.int64 and match.shape == (clusters,)
    if clusters <= classes:
        assert len(set(match)) == clusters
        every = itertools.permutations(range(classes), clusters)
        best = max(right(matrix, list(way)) for way in every)
        assert right(matrix, match) == best
        return
    # One cluster for each class; those left over have the most of theirs.
    totals = []
    for chosen in itertools.permutations(range(clusters), classes):
        tried = matrix.argmax(axis=1)
        tried[list(chosen)] = range(classes)
        one_each = matrix[list(chosen), range(classes)].sum()
        totals.append((one_each, right(matrix, tried)))
    most = max(one_each for one_each, _ in totals)
    assert set(match) == set(range(classes))
    assert right(matrix, match) in [
        total for one_each, total in totals if one_each == most
    ]


@given(seed=st.integers(0, 10_000), clusters=st.integers(1, 9))
def test_majority_is_optimistic(seed, clusters):
    """No way is better, and none is allowed that two clusters share."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 50, (clusters, 3))
    match = match_clusters(matrix, "majority")
    assert right(matrix, match) == matrix.max(axis=1).sum()
    assert right(matrix, match) >= right(matrix, match_clusters(matrix))


def test_by_hand():
    """Both clusters are mostly class 0; one class each is right for 9 + 3."""
    matrix = [[9, 1], [5, 3]]
    assert match_clusters(matrix).tolist() == [0, 1]
    assert match_clusters(matrix, "majority").tolist() == [0, 0]


def test_permuted_classes_are_found():
    rng = np.random.default_rng(0)
    order = rng.permutation(7)
    matrix = np.diag(rng.integers(1, 9, 7))[order]
    assert match_clusters(matrix).tolist() == order.tolist()


def test_empty_cluster_left_over():
    matrix = [[5, 0], [0, 0], [0, 5]]
    assert match_clusters(matrix).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "matrix", [[1, 2], [[]], [[1, -1]], [[float("nan")]], [["a"]]]
)
def test_bad_matrix(matrix):
    with pytest.raises(ValueError, match="`matrix`.*Received: shape"):
        match_clusters(matrix)


def test_bad_method():
    with pytest.raises(ValueError, match="Received: method='best'"):
        match_clusters([[1]], "best")


def test_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match=r"keras-seg\[classical\]"):
        match_clusters([[1]])
    assert match_clusters([[1]], "majority").tolist() == [0]
