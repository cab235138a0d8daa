"""Lists of images, CSV or Parquet."""

import itertools
import os
import pathlib

from keras_seg.data.errors import DataError
from keras_seg.data.remote import place
from keras_seg.data.text import brief
from keras_seg.data.text import listing
from keras_seg.data.text import malformed
from keras_seg.data.text import read_rows
from keras_seg.lazy import optional

__all__ = ["is_manifest", "read_manifest"]


def is_manifest(path):
    """Whether a path is that of a list of images.

    Example:

    >>> is_manifest("images.csv"), is_manifest("images.png")
    (True, False)
    """
    return pathlib.Path(path).suffix.lower() in (".csv", ".parquet")


def read_manifest(path):
    """Read a list of images: a column `image`, and maybe one `name`.

    An image is a path, from the folder of the list unless it is absolute, or
    the address of an object. A name is the path of its mask in the output,
    without suffix; by default the path in the list, of an absolute path or an
    address the name alone.

    Args:
        path: str or path of a CSV, or of a Parquet file, which pyarrow reads.

    Returns:
        Dictionary from the paths of the images, `pathlib.Path` or
        `keras_seg.data.remote.RemoteImage`, to names, `pathlib.Path`.

    Raises:
        DataError: If the file cannot be read, or has no column `image`, no
            row, a name that leads out of the output, or two of one image.
    """
    path = pathlib.Path(path)
    columns, rows = _table(path)
    if "image" not in columns or not rows:
        raise DataError(
            "KS-D013",
            path,
            f"has {len(rows)} rows with the columns {listing(columns)}",
            "a list of images has a column image, may have one named name, and "
            "a row for each",
            fix="name the column of the paths image",
        )
    found: dict = {}
    for row in rows:
        image, name = (_text(row.get(key), path) for key in ("image", "name"))
        found_at = place(image)
        if isinstance(found_at, pathlib.Path) and not found_at.is_absolute():
            name = name or os.path.splitext(image)[0]
            found_at = path.parent / found_at
        name = pathlib.Path(name or found_at.stem)
        if not image or name.is_absolute() or ".." in name.parts:
            raise DataError(
                "KS-D013",
                path,
                f"has a row with the image {image!r} and the name {name}",
                "names are paths inside the output",
                fix="correct it, or add a column name",
            )
        if found.setdefault(found_at, name) != name:
            raise malformed(
                path,
                f"gives {image} the names {found[found_at]} and {name}",
                "an image has one mask, and so one name",
                "keep one of its rows",
            )
    return found


def _text(value, path):
    """A path or a name as text; "" for none. Names may be numbered."""
    if isinstance(value, str | int | None):
        return "" if value is None else str(value)
    raise malformed(
        path,
        f"has the value {brief(value)}",
        "images and names are text, or integers",
        "write the columns image and name as text",
    )


def _table(path):
    """The names of the columns, and the rows as dictionaries."""
    if path.suffix.lower() == ".csv":
        rows = read_rows(path)
        return list(dict.fromkeys(itertools.chain(*rows))), rows
    parquet = optional("pyarrow.parquet", "ray", "A list in Parquet")
    try:
        schema = parquet.read_schema(path)
        kept = [name for name in ("image", "name") if name in schema.names]
        return schema.names, parquet.read_table(path, columns=kept).to_pylist()
    # pyarrow.ArrowInvalid is a ValueError; a missing file is an OSError.
    except (ValueError, OSError) as error:
        raise DataError(
            "KS-D013",
            path,
            f"can't be read as Parquet ({error})",
            "a whole file is expected",
            fix="write it again",
        ) from error
