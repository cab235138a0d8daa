"""Small data sets for the tests of readers."""

import json

import numpy as np
from PIL import Image

__all__ = ["image", "write_json"]


def image(path, size=(8, 10), value=7, **options):
    """An RGB image of one value, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), value, "uint8")).save(path, **options)
    return path


def write_json(path, content):
    """A JSON file, its folder made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
