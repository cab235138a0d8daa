"""The model card of a run on the Hub: its README.md, with a YAML header."""

import csv
import json
import pathlib
import re
from typing import Any

import yaml

from keras_seg.hub.names import is_name
from keras_seg.hub.names import parse
from keras_seg.runs.files import RunError
from keras_seg.runs.folder import RunFolder

__all__ = ["model_card"]

_HEADER = re.compile(r"\A---\n(.*?\n)?---\n+", re.DOTALL)
_BEGIN, _END = "<!-- keras_seg.hub -->", "<!-- end of keras_seg.hub -->"
_SECTION = re.compile(f"{_BEGIN}.*?{_END}\n*", re.DOTALL)


def model_card(
    run: RunFolder, name: str, text: str, files: list[str], license: str | None
) -> str:
    """Returns the text of the run's `README.md` as a model card of the Hub.

    What its owner wrote stays: the text, and keys of a header that is there.
    The section on how to load the run is written anew.

    Args:
        run: `keras_seg.runs.RunFolder`, finished.
        name: str, `"user/name"` or `"user/name@revision"`.
        text: str, its `README.md`.
        files: list of str, the files that are published with it.
        license: optional str.
    """
    header: Any = {}
    found = _HEADER.match(text)
    if found is not None:
        try:
            header = yaml.safe_load(found[1] or "")
        except yaml.YAMLError:
            found = None  # A text that begins with a line.
    known = header if isinstance(header, dict) else {}
    text = _SECTION.sub("", text[found.end() :] if found else text)
    title, _, rest = text.partition("\n")
    header = yaml.safe_dump(
        {**known, **_header(run, parse(name)[0], license)},
        sort_keys=False,
        allow_unicode=True,
    )
    section = "\n\n".join([_BEGIN, *_section(run, name, files), _END])
    return f"---\n{header}---\n\n{title}\n\n{section}\n\n{rest.lstrip()}"


def _header(run: RunFolder, name: str, license: str | None) -> dict[str, Any]:
    header: dict[str, Any] = {
        "library_name": "keras",
        "pipeline_tag": "image-segmentation",
        "tags": ["image-segmentation", "semantic-segmentation", "keras_seg"],
    }
    if license is not None:
        header["license"] = license
    start = run.settings and run.settings.start_from
    if start and is_name(start):
        header["base_model"] = parse(start)[0]
    results = list(filter(None, [_own_result(run), *_evaluations(run)]))
    if results:
        model = {"name": name.partition("/")[2], "results": results}
        header["model-index"] = [model]
    return header


def _own_result(run: RunFolder) -> dict[str, Any] | None:
    """The scores at the end of training."""
    data = run.data or {}
    source = data.get("source") or {}
    held_out = data.get("validation") not in (None, data.get("train"))
    split = "validation" if held_out else "train"
    return _result(run, "per_class_iou.csv", source.get("path"), split)


def _evaluations(run: RunFolder) -> list[dict[str, Any] | None]:
    """The scores of `keras-seg evaluate`."""
    found = []
    for file in sorted(run.path.glob("evaluation*.json")):
        try:
            facts = json.loads(file.read_bytes())
            data, split = facts["data"], facts["split"]
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(file) from error
        table = file.with_suffix(".csv").name
        found.append(_result(run, table, data, split))
    return found


def _damaged(file: pathlib.Path) -> RunError:
    return RunError(
        f"{file} is not as keras-seg evaluate wrote it. Fix: remove it, or "
        "evaluate again."
    )


def _result(
    run: RunFolder, table: str, data: str | None, split: str | None
) -> dict[str, Any] | None:
    """An entry of `model-index`, or None without a score."""
    file = run.path / table
    if not file.is_file():
        return None
    with open(file, newline="", encoding="utf-8") as lines:
        try:
            scores = [float(row["iou"]) for row in csv.DictReader(lines)]
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(file) from error
    scores = [score for score in scores if score == score]
    if not scores:
        return None
    name = re.split(r"[/\\]", data or "own images")[-1]
    dataset = {
        "name": name,
        "type": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "images",
    }
    if split:
        dataset["split"] = split
    value = round(sum(scores) / len(scores), 4)
    return {
        "task": {"type": "image-segmentation", "name": "Semantic segmentation"},
        "dataset": dataset,
        "metrics": [{"type": "mean_iou", "name": "Mean IoU", "value": value}],
    }


def _section(run: RunFolder, name: str, files: list[str]) -> list[str]:
    size = run.settings and run.settings.size
    model = run.model_path()
    table = run.class_table
    shrunk = (
        f" Images of more than {size} pixels are shrunk to that inside of the "
        "model, and the map enlarged again."
        if size
        else ""
    )
    void = ", ".join(map(str, sorted({255, *table.ignore_classes})))
    rows = [
        f"| {number} | {_cell(title)} | `#{red:02x}{green:02x}{blue:02x}` |"
        for number, (title, (red, green, blue)) in enumerate(
            zip(table.names, table.colors, strict=True)
        )
    ]
    samples = sorted(x for x in files if x.startswith("samples/"))[-1:]
    worst = [x for x in files if x.endswith("_worst.png")]
    plots = [x for x in ("curves.png", "confusion.png") if x in files]
    pictures = [
        f"![{pathlib.PurePosixPath(x).stem}]({x})"
        for x in (*samples, *worst, *plots)
    ]
    return [
        "## Load it",
        f"""```python
import keras_seg
model = keras_seg.runs.RunFolder.open("hf://{name}").load_model()
masks = [found.ids for found in keras_seg.predict(model, "photo.jpg")]
```""",
        f"""```bash
pip install "keras-seg[hub,torch]"  # or [hub,tensorflow], or [hub,jax]
keras-seg predict hf://{name} photo.jpg
```""",
        "An RGB image of 0…255 goes in, of any height and width; the "
        "preprocessing is part of the model. The class ids of its pixels come "
        f"out, in the size of the image.{shrunk} `{model.name}` has "
        f"{model.stat().st_size / 1e6:.1f} MB.",
        "\n".join(["| id | class | color |", "|---|---|---|", *rows]),
        f"Void, not trained on: {void}.",
        *pictures,
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
