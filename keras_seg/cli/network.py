"""How the command line names a network: a run folder, a file, or a name."""

import dataclasses
import pathlib
from collections.abc import Callable
from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Any

from keras_seg.cli import console
from keras_seg.cli.start import use_backend
from keras_seg.hub.names import is_name
from keras_seg.words import did_you_mean

if TYPE_CHECKING:
    from keras_seg.data import ClassTable
    from keras_seg.pretrained import PretrainedModel
    from keras_seg.runs import RunFolder

__all__ = ["KINDS", "Network", "open_network", "say_tiles"]

# For texts of help and errors.
KINDS = (
    "a run folder, a .keras file of it, what keras-seg export wrote, "
    "hf://USER/NAME of the Hub, or a name of keras-seg models"
)


@dataclasses.dataclass(frozen=True)
class Network:
    """A network that may still have to be loaded, by `load()`.

    Attributes:
        path: the file that holds it, or the folder of a SavedModel.
        class_table: `keras_seg.data.ClassTable`.
        bit_depth: bits of the images that it was trained on; None for 8, or
            if that is not known.
        load: returns a `keras.Model`, or an `ExportedModel`.
        bands: of the images that it was trained on, numbers from 1 and names;
            None for all, or if that is not known.
        run: its `keras_seg.runs.RunFolder`, if it was named by that.
        is_exported: whether `load` returns an `ExportedModel`.
        multi_label: whether a pixel may have several of the classes.
    """

    path: pathlib.Path
    class_table: "ClassTable"
    bit_depth: int | None
    load: Callable[[], Any]
    run: "RunFolder | None" = None
    is_exported: bool = False
    multi_label: bool = False
    bands: tuple[int | str, ...] | None = None


def open_network(text: str | pathlib.Path, last: bool = False) -> Network:
    """Opens the network that a user named.

    Args:
        text: the path of a run folder, of a `.keras` file that knows its
            classes, or of what `keras-seg export` wrote; or `hf://user/name`,
            a run on the Hub; or the name of a network of
            `keras_seg.pretrained`. These two are downloaded if need be.
        last: whether the last model of a run is meant, not the best.

    Returns:
        `Network`. An exported one needs no backend of Keras.

    Raises:
        ValueError: If it is none of these, is damaged, or does not know its
            classes.
        OSError: If the weights of a name, or a run, cannot be downloaded.
    """
    from keras_seg.pretrained import catalogue

    if is_name(text):
        return _trained(text, last)
    path = pathlib.Path(text)
    known = None if path.exists() else catalogue.named(str(text))
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        return _trained(path, last)
    if last:
        raise ValueError(
            f"--last takes the last model of a run folder. Received: {text}"
        )
    if known is not None:
        return _pretrained(known)
    return _saved(path) if path.suffix == ".keras" else _exported(path)


def say_tiles(network: Any, images: Iterable[pathlib.Path]) -> None:
    """Says that a network of one size gets some of the images in tiles."""
    from keras_seg.data import DataError
    from keras_seg.data.images import read_size
    from keras_seg.inference.one_size import one_size_of

    size = one_size_of(network)
    if size is None:
        return
    for image in images:
        try:
            same = read_size(image) == size
        except DataError:  # A video, or it will be reported when it is read.
            continue
        if not same:
            console.say(
                f"The network takes images of {size[0]}×{size[1]} pixels. "
                "Others are predicted in overlapping tiles of that size."
            )
            return


def _pretrained(known: "PretrainedModel") -> Network:
    use_backend()

    from keras_seg import pretrained
    from keras_seg.pretrained.download import download

    return Network(
        download(known),
        known.class_table,
        None,
        lambda: pretrained.load(known.name),
    )


def _trained(path: str | pathlib.Path, last: bool) -> Network:
    use_backend()

    from keras_seg import runs
    from keras_seg.runs.recorded import recorded_source

    run = runs.RunFolder.open(path)
    data = recorded_source(run)
    file = run.model_path(best=not last)
    if data is None:  # The data were no folder.
        model = run.load_model(best=not last)
        return _of_model(file, run.class_table, model, run)
    return Network(
        file,
        run.class_table,
        data.bit_depth,
        lambda: run.load_model(best=not last),
        run,
        multi_label=data.multi_label,
        bands=data.band_list,
    )


def _saved(path: pathlib.Path) -> Network:
    use_backend()

    from keras_seg import runs
    from keras_seg.runs.model_file import load_model

    if not path.is_file():
        raise runs.RunError(f"{path} does not exist.")
    model = load_model(path)
    class_table = runs.class_table_of(model)
    if class_table is None:
        raise runs.RunError(
            f"{path} does not know the names of its {model.output_shape[-1]} "
            "classes. Fix: give it a table by keras_seg.runs.set_class_table, "
            "and save it again."
        )
    return _of_model(path, class_table, model)


def _of_model(
    path: pathlib.Path,
    class_table: "ClassTable",
    model: Any,
    run: "RunFolder | None" = None,
) -> Network:
    """A loaded model, which knows how its images are read."""
    from keras_seg.score_form import how_read
    from keras_seg.score_form import is_multi_label

    bit_depth, bands = how_read(model)
    return Network(
        path,
        class_table,
        bit_depth,
        lambda: model,
        run,
        multi_label=is_multi_label(model),
        bands=bands,
    )


def _exported(path: pathlib.Path) -> Network:
    from keras_seg.deployment import ExportedModel
    from keras_seg.deployment.formats import FORMATS
    from keras_seg.pretrained import CATALOGUE

    suffixes = [known.suffix for known in FORMATS if known.suffix]
    if path.suffix not in suffixes and not path.is_dir():
        found = "is no such file" if path.exists() else "does not exist"
        raise ValueError(
            f"{path} {found}; {KINDS} is expected."
            + did_you_mean(str(path), [x.name for x in CATALOGUE])
        )
    network = ExportedModel(path)
    return Network(
        path,
        network.class_table,
        network.bit_depth,
        lambda: network,
        is_exported=True,
        multi_label=network.multi_label,
        bands=network.bands,
    )
