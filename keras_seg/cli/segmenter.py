"""What the page of `keras-seg serve` does with a photograph."""

import base64
import contextlib
import io
import pathlib
import shutil
import tempfile
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from keras_seg import inference
from keras_seg import visualization
from keras_seg import words
from keras_seg.cli import console
from keras_seg.cli.altering import altered
from keras_seg.cli.commands import sentence_of
from keras_seg.cli.options import parse_numbers
from keras_seg.cli.predict_extras import save_overlay
from keras_seg.data import VOID
from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data.images import read_pixels
from keras_seg.inference.one_size import check_takes_tiles
from keras_seg.inference.scores import image_shape
from keras_seg.inference.scores import warn_of_weights
from keras_seg.score_form import ScoreForm
from keras_seg.score_form import is_multi_label
from keras_seg.visualization.coloring import as_rgb

__all__ = ["KEPT", "SAMPLES", "Segmenter", "remove_old"]

# Longest side of what is sent to the browser; files have the photo's size.
SHOWN = 1280
# Seconds that photographs and results stay on the disk.
KEPT = 3600
# Choices of options whose networks are kept; the page offers twelve.
MOST_NETWORKS = 12
# The folder beside them that stays.
SAMPLES = "samples"


class Segmenter:
    """Predicts one photograph after the other, for any number of visitors.

    Nothing of one call is kept for the next but networks, one for each of
    twelve choices of options.

    Args:
        model: `keras.Model` or `keras_seg.deployment.ExportedModel`.
        class_table: `keras_seg.data.ClassTable`.
        folder: path of a folder for results.
        tiles: optional `keras_seg.inference.Tiles`.
        bit_depth: optional int, see `keras_seg.data.read_image`.

    Attributes:
        options: set of str, the options that work with the model.
    """

    def __init__(
        self,
        model: Any,
        class_table: ClassTable,
        folder: pathlib.Path,
        *,
        tiles: inference.Tiles | None = None,
        bit_depth: int | None = None,
    ):
        if tiles is not None:
            check_takes_tiles(model)
        self.class_table = class_table
        self.options = _options_of(model)
        self._model = model
        self._folder = folder
        self._tiles = tiles
        self._bit_depth = bit_depth
        self._networks: dict[tuple, Any] = {}
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Predicts a black image, as the first prediction takes seconds."""
        *sides, channels = image_shape(self._model)
        height, width = (side or 64 for side in sides)
        black = np.zeros((height, width, channels), "uint8")
        with console.warnings_as_lines(UserWarning):
            warn_of_weights(self._model)
        # TensorFlow prints as it is imported, under other backends, too.
        with console.quiet():
            inference.predict(self._network((1.0,), False, False), black)

    def _network(self, *options: Any) -> Any:
        """The network of scales, mirror and crf, made when first used."""
        if options not in self._networks:
            # Scales are any numbers, where the page is not used.
            if len(self._networks) == MOST_NETWORKS:
                self._networks.clear()
            scales, mirror, crf = options
            self._networks[options] = (
                altered(self._model, scales, mirror, None, crf)
                if hasattr(self._model, "layers")
                else self._model
            )
        return self._networks[options]

    def __call__(
        self,
        photo: str | None,
        scales: str = "1",
        mirror: bool = False,
        crf: bool = False,
        confidence: bool = False,
    ) -> tuple[dict[str, Any] | None, str | None, str | None]:
        """Segments the photograph in a file.

        Args:
            photo: str, path of the file, or None for no photograph.
            scales: str, as `keras-seg predict --scales` takes it.
            mirror: bool, whether to look at it mirrored, too.
            crf: bool, whether a fully connected CRF refines the borders.
            confidence: bool, whether to show the largest probability.

        Returns:
            Tuple of what `page.js` draws, a dictionary, and the paths of the
            mask and of the overlay. If the photograph cannot be segmented,
            the dictionary holds the sentence that says why, and the paths are
            None.
        """
        if photo is None:
            return None, None, None
        path = pathlib.Path(photo)
        try:
            return self._segment(path, scales, mirror, crf, confidence)
        except DataError as error:
            # The folder of the server is nobody's business.
            text = f"{path.name} {error.found}; {error.allowed}."
        except Exception as error:
            sentence = sentence_of(error)
            if sentence is None:
                raise
            text = sentence
        return {"error": text}, None, None

    def _segment(
        self,
        path: pathlib.Path,
        scales: str,
        mirror: bool,
        crf: bool,
        confidence: bool,
    ) -> tuple[dict[str, Any], str, str]:
        views = parse_numbers("`scales`", scales, 0.1, 10)
        for option, is_on in (
            ("scales", views != (1.0,)),
            ("mirror", mirror),
            ("crf", crf),
            ("confidence", confidence),
        ):
            if is_on and option not in self.options:
                raise ValueError(f"{option} does not work with this network.")
        if not path.is_file():
            raise ValueError(
                f"{path.name} has been removed, {words.duration(KEPT)} after "
                "it came. Fix: drop it again."
            )
        # One photograph at a time in the memory of the network.
        with self._lock:
            begin = time.monotonic()
            network = self._network(views, mirror, crf)
            image, valid = read_pixels(
                path, image_shape(network)[-1], bit_depth=self._bit_depth
            )
            (found,) = inference.predict(
                network, [image], self._tiles, probabilities=confidence
            )
            if valid is not None:
                found.ids[~valid] = VOID
            seconds = time.monotonic() - begin
        out = pathlib.Path(tempfile.mkdtemp(dir=self._folder))
        mask = out / f"{path.stem}.png"
        overlay = out / f"{path.stem}_overlay.jpg"
        table = self.class_table
        visualization.save_mask(mask, found.ids, table.colors)
        save_overlay(
            overlay,
            visualization.overlay_with_legend(found.image, found.ids, table),
        )
        shown = {"name": path.name, **self._shown(found)}
        shown["seconds"] = round(seconds, 2)
        return shown, str(mask), str(overlay)

    def _shown(self, found: inference.Prediction) -> dict[str, Any]:
        """What the browser draws: pictures of at most `SHOWN` pixels."""
        table = self.class_table
        known = found.ids != VOID
        counts = np.bincount(found.ids[known], minlength=len(table))
        height, width = found.ids.shape
        shown: dict[str, Any] = {
            "size": [height, width],
            "photo": _data_url(as_rgb(found.image), "JPEG"),
            "ids": _data_url(found.ids, "PNG"),
            "confidence": None,
            "classes": [
                {"id": id, "name": name, "color": color, "share": count}
                for id, (name, color, count) in enumerate(
                    zip(
                        table.names,
                        table.colors,
                        (counts / max(1, counts.sum())).tolist(),
                        strict=True,
                    )
                )
            ],
        }
        if found.probabilities is not None:
            largest = found.probabilities.max(axis=-1).astype("float32")
            total = float(largest.sum(where=known))
            shown["mean_confidence"] = total / max(1, int(counts.sum()))
            gray = np.rint(255 * largest).astype("uint8")
            shown["confidence"] = _data_url(gray, "PNG")
        return shown


def _options_of(model: Any) -> set[str]:
    """The options that work with a model; surgery needs a Keras model."""
    height, width, channels = image_shape(model)
    if channels not in (1, 3):
        raise ValueError(
            "Photographs have 3 channels, or 1 if they are gray, and this "
            f"network takes {channels}. Fix: predict its images with keras-seg "
            "predict."
        )
    if is_multi_label(model):
        raise ValueError(
            "The page shows one class a pixel, and this network may give "
            "several. Fix: predict its images with keras-seg predict."
        )
    try:
        ScoreForm.of(model, certain=True)
    except ValueError:
        return set()
    options = {"confidence"}
    if hasattr(model, "layers"):
        options.add("mirror")
        options |= {"scales"} if (height, width) == (None, None) else set()
        options |= {"crf"} if channels == 3 else set()
    return options


def _data_url(pixels: NDArray, kind: str) -> str:
    """A picture of at most `SHOWN` pixels, in an address that holds it.

    A JPEG is a photograph; the values of a PNG are not mixed.
    """
    picture = Image.fromarray(pixels)
    scale = min(1, SHOWN / max(picture.size))
    width, height = (max(1, round(scale * side)) for side in picture.size)
    filters = Image.Resampling
    resample = filters.LANCZOS if kind == "JPEG" else filters.NEAREST
    picture = picture.resize((width, height), resample)
    buffer = io.BytesIO()
    # Of a PNG it means nothing.
    picture.save(buffer, kind, quality=90)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{text}"


def remove_old(folder: pathlib.Path) -> None:
    """Removes photographs and results of more than `KEPT` seconds ago."""
    oldest = time.time() - KEPT
    # Nothing if the folder has been removed, too.
    for path in folder.glob("*"):
        # A visitor may write to it at the same time.
        with contextlib.suppress(OSError):
            if path.name == SAMPLES or path.stat().st_mtime >= oldest:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
