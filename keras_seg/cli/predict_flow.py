"""The images of `keras-seg predict`, one after the other, to files."""

import functools

import numpy as np

from keras_seg import inference
from keras_seg import visualization
from keras_seg.atomic import replacing
from keras_seg.cli import console
from keras_seg.cli.writer import Writer
from keras_seg.data import DataError
from keras_seg.data.geotiff import GeoImage
from keras_seg.data.geotiff import GeoMask
from keras_seg.data.opening import opened
from keras_seg.data.video import VideoWriter
from keras_seg.data.video import frame_rate
from keras_seg.data.video import timed_frames
from keras_seg.inference.scores import compiles_each_size
from keras_seg.inference.scores import image_shape

__all__ = ["predict_all"]

# Of the overlay of a GeoTIFF in tiles, which may be of any size.
PREVIEW = 2048
# Pixels that a side of a JPEG may have.
LARGEST_SIDE = 65_500
# Pixels that a line or two of a legend take.
SMALLEST_LEGEND = 48


def predict_all(
    network,
    targets,
    classes,
    *,
    tiles,
    batch_size,
    probabilities,
    progress,
    bit_depth=None,
    written=lambda image, paths: None,
):
    """Predicts images and writes what is found; goes on after an error.

    Args:
        network: `keras.Model` or `keras_seg.deployment.ExportedModel`.
        targets: dictionary from paths of images to tuples of paths: of the
            mask, of the overlay, and of the probabilities if they are kept.
        classes: `keras_seg.data.ClassTable`.
        tiles: `keras_seg.inference.Tiles` or None.
        batch_size: int.
        probabilities: bool.
        bit_depth: int or None, of images of 16 bits.
        progress: function of the number done.
        written: function of an image and its tuple, called when that is
            written.

    Returns:
        Tuple: how many are written, and a list of `DataError`.
    """
    errors: list[DataError] = []
    done = 0
    # From file to file: videos, and what lies in windows; probabilities of
    # these would fill the memory.
    apart = {".mkv": _predict_video}
    if tiles is not None and not probabilities:
        apart[".tif"] = functools.partial(_predict_raster, bit_depth)
    plain = []
    with (
        console.warnings_as_lines(UserWarning),
        Writer(functools.partial(_write, targets, classes, written)) as writer,
    ):
        for image, paths in targets.items():
            way = apart.get(paths[0].suffix)
            if way is None:
                plain.append(image)
                continue
            try:
                paths[0].parent.mkdir(parents=True, exist_ok=True)
                way(network, image, tiles, paths, classes)
                written(image, paths)
                done += 1
            except DataError as error:
                errors.append(error)
            progress(done + len(errors))
        if compiles_each_size(network):
            plain.sort(key=_padded)
        for found in inference.predict(
            network,
            plain,
            tiles,
            batch_size=batch_size,
            probabilities=probabilities,
            on_error=errors.append,
            bit_depth=bit_depth,
        ):
            writer.submit(found)
            done += 1
            progress(done + len(errors))
    return done, errors


def _padded(path, bucket=32):
    """The size that an image is filled up to, from what its file begins with.

    A network that is compiled for each meets those of one size together, and
    may forget it then.
    """
    try:
        with opened(path) as image:
            return tuple(-(-side // bucket) for side in image.size)
    except DataError:  # No picture, or damaged: said when it is read.
        return ()


def _write(targets, classes, written, found):
    mask, overlay, *npz = targets[found.source]
    mask.parent.mkdir(parents=True, exist_ok=True)
    picture = visualization.overlay_with_legend(found.image, found.ids, classes)
    _save_overlay(overlay, picture)
    if mask.suffix == ".tif":
        with (
            GeoImage(found.source, None) as image,
            GeoMask(mask, image, classes.colors) as out,
        ):
            out[:, :] = found.ids
    else:
        visualization.save_mask(mask, found.ids, classes.colors)
    for path in npz:
        with replacing(path) as temporary:
            np.savez_compressed(temporary, probabilities=found.probabilities)
    written(found.source, targets[found.source])


def _save_overlay(path, picture):
    """As JPEG, a tenth of the time of PNG: an overlay is looked at."""
    step = -(-max(picture.shape) // LARGEST_SIDE)
    visualization.save_image(path, picture[::step, ::step])


def _predict_raster(bit_depth, network, path, tiles, targets, classes):
    """From file to file, in the memory of some tiles."""
    mask, overlay = targets
    with GeoImage(path, image_shape(network)[-1], bit_depth) as image:
        with GeoMask(mask, image, classes.colors) as out:
            inference.predict(network, image, tiles, out)
        picture = visualization.overlay_with_legend(
            image.preview(PREVIEW), GeoMask.preview(mask, PREVIEW), classes
        )
    _save_overlay(overlay, picture)


def _predict_video(network, path, tiles, targets, classes):
    """Ids as grey values, and the colours over the frames with a legend.

    The legend is that of all classes, the same beside every frame: the
    frames of a video have one size. Each is shown when the frame is.
    """
    rate, key, times = frame_rate(path), None, []

    def frames():
        for time, frame in timed_frames(path):
            times.append(time)
            yield frame

    with (
        VideoWriter(targets[0], rate) as masks,
        VideoWriter(targets[1], rate) as overlays,
    ):
        for found in inference.predict(network, frames(), tiles):
            time = times[found.source]
            masks.write(found.ids, time)
            if key is None:
                key = visualization.legend(
                    classes.names,
                    classes.colors,
                    height=max(len(found.ids), SMALLEST_LEGEND),
                )
            picture = visualization.overlay(
                found.image, found.ids, classes.colors
            )
            overlays.write(visualization.panel([picture, key], gap=0), time)
