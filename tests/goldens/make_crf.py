"""Golden arrays of pydensecrf2 1.1, the fully connected CRF.

pip install pydensecrf2==1.1
python -m tests.goldens.make_crf
"""

import pathlib

import numpy as np

from tests.densecrf_oracle import NORMALIZATIONS
from tests.densecrf_oracle import reference_filter
from tests.densecrf_oracle import reference_marginals


def main():
    rng = np.random.default_rng(0)
    arrays = {}
    for d in (1, 2, 3, 5, 6):
        features = (2 * rng.normal(size=(160, d))).astype("float32")
        # What the reference pads with is among the points: no new vertex.
        features[0] = 0
        x = rng.dirichlet(np.ones(3), size=160).astype("float32")
        arrays[f"features_{d}"] = features
        for name in NORMALIZATIONS:
            start, y = reference_filter(features, x, name)
            arrays[f"x_{d}"] = start
            arrays[f"y_{d}_{name}"] = y
    image, logits = picture(rng)
    arrays.update(image=image, logits=logits)
    for name, bilateral, gaussian in (
        ("v1", (49, 5, 4.0), (3, 3.0)),
        ("v2", (67, 3, 4.0), (1, 3.0)),
    ):
        for normalization in NORMALIZATIONS:
            arrays[f"marginals_{name}_{normalization}"] = reference_marginals(
                image,
                logits,
                bilateral,
                gaussian,
                normalization=normalization,
            )
    matrix = rng.normal(size=(3, 3)).astype("float32")
    matrix += matrix.T
    arrays["matrix"] = matrix
    arrays["marginals_matrix"] = reference_marginals(
        image,
        logits,
        (20, 10, 2 * matrix),
        (3, 3 * matrix),
        normalization="after",
    )
    path = pathlib.Path(__file__).with_name("crf.npz")
    np.savez_compressed(path, **arrays)


def picture(rng):
    """Two shapes on a ground, and doubtful scores of three classes."""
    rows, columns = np.mgrid[:24, :32]
    classes = (columns > 20).astype(int)
    classes[(rows - 11) ** 2 + (columns - 10) ** 2 < 40] = 2
    colours = np.array([[30, 60, 90], [200, 180, 40], [90, 140, 60]])
    image = colours[classes] + rng.normal(size=(24, 32, 3)) * 8
    logits = np.eye(3)[classes] * 1.5 + rng.normal(size=(24, 32, 3))
    return image.clip(0, 255).astype("uint8"), logits.astype("float32")


if __name__ == "__main__":
    main()
