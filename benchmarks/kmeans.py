"""k-means of a photograph beside its peers, in turn in one process.

    python benchmarks/kmeans.py --image FILE

Each goes from a uint8 image to the cluster of every pixel: one run from
k-means++, with a seed of its own in every round, as random starts need more or
fewer steps. "Same start" are the first two from centers that both are given,
so that they take the same steps. The table has medians over the images and
rounds, the medians of the ratios of the rounds, by the clock and in CPU time,
which is disturbed less by what runs beside it, and how much more the sum of
squared distances is than the least of the round. `pip install
"keras-seg[classical]" opencv-python-headless` brings the peers.
"""

import argparse
import time

import machine


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", nargs="+", required=True, help="photographs")
    parser.add_argument("--clusters", type=int, default=8, help="(default: 8)")
    parser.add_argument(
        "--rounds", type=int, default=15, help="of each image (default: 15)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="CPUs to use (default: 1)"
    )
    return parser.parse_args()


ARGUMENTS = parse_arguments()
machine.use(ARGUMENTS.threads)

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import sklearn  # noqa: E402
from sklearn.cluster import KMeans  # noqa: E402
from sklearn.cluster import MiniBatchKMeans  # noqa: E402

from keras_seg.data import read_image  # noqa: E402
from keras_seg.unsupervised import KMeansSegmenter  # noqa: E402

CLUSTERS = ARGUMENTS.clusters
# scikit-learn's default, of the variance, and ours.
TOLERANCE = 1e-4


def ours(image, seed):
    kmeans = KMeansSegmenter(CLUSTERS, seed=seed)
    return kmeans.fit(image).predict(image)


def ours_from_a_start(image, seed):
    start = random_colors(image, seed)
    kmeans = KMeansSegmenter(CLUSTERS, init=start)
    return kmeans.fit(image).predict(image)


def all_pixels(image, seed):
    kmeans = KMeans(CLUSTERS, n_init=1, random_state=seed)
    return kmeans.fit_predict(image.reshape(-1, 3))


def all_pixels_from_a_start(image, seed):
    start = random_colors(image, seed)
    kmeans = KMeans(CLUSTERS, n_init=1, init=start)
    return kmeans.fit_predict(image.reshape(-1, 3))


def float32(image, seed):
    kmeans = KMeans(CLUSTERS, n_init=1, random_state=seed)
    return kmeans.fit_predict(image.reshape(-1, 3).astype(np.float32))


def mini_batches(image, seed):
    kmeans = MiniBatchKMeans(CLUSTERS, n_init=1, random_state=seed)
    return kmeans.fit_predict(image.reshape(-1, 3))


def opencv(image, seed):
    cv2.setRNGSeed(seed)
    pixels = image.reshape(-1, 3).astype(np.float32)
    # OpenCV's is the shift of one center, in gray levels.
    shift = float(np.sqrt(TOLERANCE * pixels.var(axis=0).mean() / CLUSTERS))
    stop = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_MAX_ITER, 300, shift
    kind = cv2.KMEANS_PP_CENTERS
    return cv2.kmeans(pixels, CLUSTERS, None, stop, 1, kind)[1].ravel()


def random_colors(image, seed):
    rng = np.random.default_rng(seed)
    pixels = image.reshape(-1, 3)
    chosen = pixels[rng.choice(len(pixels), CLUSTERS, replace=False)]
    return chosen + rng.uniform(0, 0.5, chosen.shape)


def clocks():
    """Wall-clock and CPU time in milliseconds."""
    return 1000 * np.array([time.perf_counter(), time.process_time()])


def inertia(image, ids):
    """The sum of squared distances to the means of the clusters."""
    pixels, ids = image.reshape(-1, 3).astype(float), ids.ravel()
    counts = np.bincount(ids, minlength=CLUSTERS)
    sums = [np.bincount(ids, column, CLUSTERS) for column in pixels.T]
    return (pixels**2).sum() - (sums / np.maximum(counts, 1) * sums).sum()


ENGINES = {
    "ours": ours,
    "scikit-learn, all pixels": all_pixels,
    "scikit-learn, all pixels, float32": float32,
    "scikit-learn, `MiniBatchKMeans`": mini_batches,
    "OpenCV, `cv2.kmeans`": opencv,
    "ours, same start": ours_from_a_start,
    "scikit-learn, all pixels, same start": all_pixels_from_a_start,
}


def main():
    images = [read_image(path) for path in ARGUMENTS.image]
    cv2.setNumThreads(ARGUMENTS.threads)
    times = {name: [] for name in ENGINES}
    sums = {name: [] for name in ENGINES}
    for engine in ENGINES.values():
        engine(images[0], 0)  # The first imports.
    for turn in range(ARGUMENTS.rounds):
        names = list(ENGINES)
        for image in images:
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                start = clocks()
                ids = ENGINES[name](image, turn)
                times[name].append(clocks() - start)
                sums[name].append(inertia(image, ids))
    for image in images:
        height, width = image.shape[:2]
        colors = len(np.unique(image.reshape(-1, 3), axis=0))
        print(f"{width}×{height}, {height * width} pixels, {colors} colors")
    print(
        f"k = {CLUSTERS}, threads: {ARGUMENTS.threads}, rounds: "
        f"{ARGUMENTS.rounds}; scikit-learn {sklearn.__version__}, OpenCV "
        f"{cv2.__version__}, NumPy {np.__version__}\n"
    )
    print("| | ms | CPU ms | ours, times this | CPU | inertia, % more |")
    print("|---|---:|---:|---:|---:|---:|")
    least = np.min(list(sums.values()), axis=0)
    for name, column in times.items():
        same = "ours, same start" if "same start" in name else "ours"
        ratios = np.array(times[same]) / column
        wall, cpu = np.median(column, axis=0)
        ratio, of_cpu = np.median(ratios, axis=0)
        above = 100 * np.median(np.array(sums[name]) / least - 1)
        print(
            f"| {name} | {wall:.0f} | {cpu:.0f} | {ratio:.2f} | {of_cpu:.2f} "
            f"| {above:.2f} |"
        )


if __name__ == "__main__":
    main()
