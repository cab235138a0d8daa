"""The page of `keras-seg serve`: photographs in, classes in color out.

`page.js` draws the result and `page.css` styles it; both run in the browser.
"""

import contextlib
import html
import pathlib
import shutil
from collections.abc import Iterable
from typing import Any

from PIL import Image
from PIL import ImageOps

from keras_seg import words
from keras_seg.cli.segmenter import KEPT
from keras_seg.cli.segmenter import Segmenter
from keras_seg.data import ClassTable
from keras_seg.data import DataError
from keras_seg.data import read_image
from keras_seg.visualization.coloring import as_rgb

__all__ = ["STYLE", "build_page", "make_samples"]

THUMBNAIL = 192
# Of what is outside of the result, which has `page.css`.
STYLE = """
footer { display: none !important; }
#samples > .gallery { display: grid; grid-template-columns: repeat(4, 1fr); }
#samples .container { width: 100%; height: auto; aspect-ratio: 1; }
#files { padding: 0 12px; }
#files button { flex: 0 1 180px; }
"""
SCALES = {"one": "1", "three": "0.75,1,1.25", "six": "0.5,0.75,1,1.25,1.5,1.75"}


def make_samples(
    paths: Iterable[pathlib.Path], folder: pathlib.Path, most: int = 4
) -> list[tuple[pathlib.Path, pathlib.Path]]:
    """Copies images that can be read, and draws a thumbnail of each.

    Args:
        paths: the images.
        folder: path of a folder to make and to write to.
        most: int, how many to take.

    Returns:
        List of tuples (image, thumbnail) of paths.
    """
    folder.mkdir()
    samples: list[tuple[pathlib.Path, pathlib.Path]] = []
    for path in paths:
        if len(samples) == most:
            break
        with contextlib.suppress(DataError, ValueError):
            picture = Image.fromarray(as_rgb(read_image(path)))
            thumbnail = folder / f"{len(samples)}.jpg"
            ImageOps.fit(picture, (THUMBNAIL, THUMBNAIL)).save(thumbnail)
            place = folder / str(len(samples))
            place.mkdir()
            copy = pathlib.Path(shutil.copyfile(path, place / path.name))
            samples.append((copy, thumbnail))
    return samples


def build_page(
    gradio: Any,
    segmenter: Segmenter,
    name: str,
    *,
    samples: list[tuple[pathlib.Path, pathlib.Path]],
    is_private: bool,
) -> Any:
    """Builds the page, a `gradio.Blocks`.

    Args:
        gradio: the package, which is imported where its extra is checked.
        segmenter: `Segmenter`.
        name: str, name of the network.
        samples: list of tuples (image, thumbnail) of paths.
        is_private: bool, whether only this computer reaches the page.
    """
    here = pathlib.Path(__file__)
    options = segmenter.options
    with gradio.Blocks(
        title=f"{name} – keras_seg", analytics_enabled=False
    ) as page:
        gradio.HTML(_introduction(name, segmenter.class_table, is_private))
        with gradio.Row(elem_id="columns"):
            with gradio.Column(scale=2, min_width=280):
                photo = gradio.File(
                    label="Your photograph",
                    file_types=["image", ".npy"],
                    height=180,
                    elem_id="photo",
                )
                # The field is empty again after each photograph: it takes the
                # next one at once.
                chosen = gradio.File(
                    label="Photograph", visible="hidden", elem_id="chosen"
                )
                sample = gradio.Dataset(
                    label="Or take one of these",
                    components=[gradio.Image(render=False)],
                    samples=[[str(thumbnail)] for _, thumbnail in samples],
                    type="index",
                    visible=bool(samples),
                    elem_id="samples",
                )
                with gradio.Accordion(
                    "Options",
                    open=False,
                    visible=bool(options),
                    elem_id="options",
                ):
                    mirror = gradio.Checkbox(
                        label="Mirrored, too",
                        info="Averages two views: twice the time.",
                        visible="mirror" in options,
                    )
                    scales = gradio.Radio(
                        list(SCALES.items()),
                        value="1",
                        label="Scales",
                        info="Averages the photograph at several sizes.",
                        visible="scales" in options,
                    )
                    crf = gradio.Checkbox(
                        label="Sharper borders (CRF)",
                        info="A fully connected CRF follows edges of the "
                        "photograph.",
                        visible="crf" in options,
                    )
                    confidence = gradio.Checkbox(
                        label="Confidence",
                        info="The probability of the class at each pixel.",
                        visible="confidence" in options,
                    )
            with gradio.Column(scale=5, min_width=300):
                result = gradio.HTML(
                    html_template='<div class="result"></div>',
                    css_template=here.with_suffix(".css").read_text("utf-8"),
                    js_on_load=here.with_suffix(".js").read_text("utf-8"),
                    apply_default_css=False,
                    elem_id="result",
                )
                with gradio.Row(visible=False, elem_id="files") as files:
                    mask = gradio.DownloadButton("Download mask", size="sm")
                    overlay = gradio.DownloadButton(
                        "Download overlay", size="sm"
                    )
        inputs = [chosen, scales, mirror, crf, confidence]
        event = gradio.on(
            [part.change for part in inputs],
            segmenter,
            inputs,
            [result, mask, overlay],
            api_name="segment",
            concurrency_limit=1,
            trigger_mode="always_last",
            show_progress_on=result,
        )
        event.then(
            lambda mask: gradio.Row(visible=mask is not None),
            mask,
            files,
            api_visibility="private",
            show_progress="hidden",
        )
        copies = [str(image) for image, _ in samples]
        sample.click(
            lambda index: copies[index],
            sample,
            chosen,
            api_visibility="private",
            show_progress="hidden",
        )
        photo.upload(
            lambda path: (path, None),
            photo,
            [chosen, photo],
            api_visibility="private",
            show_progress="hidden",
        )
    return page


def _introduction(name: str, table: ClassTable, is_private: bool) -> str:
    classes = words.listed(table.names, 8)
    place = (
        "Nothing leaves this computer."
        if is_private
        else "It is sent to the computer that runs this page and removed "
        f"after {words.duration(KEPT)}."
    )
    return (
        '<div style="padding: 8px 0"><h1 style="margin: 0">What is where in '
        "your photograph?</h1><p>Drop one below: "
        f"<b>{html.escape(name)}</b> colors every pixel by what it shows "
        f"({html.escape(classes)}). {place}</p></div>"
    )
