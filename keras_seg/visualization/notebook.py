"""What notebooks show of data, reports and evaluations."""

import base64
import html
import io
from collections.abc import Iterable
from collections.abc import Sequence

from numpy.typing import ArrayLike
from PIL import Image

from keras_seg.visualization.coloring import as_rgb

__all__ = ["as_html", "as_image"]


def as_image(picture: ArrayLike) -> Image.Image:
    """The picture as a `PIL.Image.Image`, which notebooks show."""
    return Image.fromarray(as_rgb(picture))


def as_html(
    heading: str,
    header: Sequence[str] = (),
    rows: Iterable[Sequence[object]] = (),
    picture: Image.Image | None = None,
) -> str:
    """A heading, a table and a picture as HTML; texts are escaped."""
    parts = [f"<p>{html.escape(heading)}</p>"]
    lines = [_row("th", header)] if header else []
    lines += [_row("td", row) for row in rows]
    if lines:
        parts.append(f"<table>{''.join(lines)}</table>")
    if picture is not None:
        file = io.BytesIO()
        picture.save(file, "PNG")
        text = base64.b64encode(file.getvalue()).decode()
        parts.append(f'<img alt="" src="data:image/png;base64,{text}">')
    return "\n".join(parts)


def _row(tag: str, cells: Iterable[object]) -> str:
    text = "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)
    return f"<tr>{text}</tr>"
