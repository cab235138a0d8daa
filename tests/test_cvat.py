"""The function of CVAT, by events as nuclio hands them over."""

import base64
import importlib.util
import io
import json
import pathlib
import runpy

import keras
import numpy as np
import pytest
import yaml
from PIL import Image

import keras_seg
from keras_seg.data import ClassTable
from keras_seg.data.readers.polygons import fill
from tests.networks import known_echo

pytestmark = pytest.mark.once

FILE = pathlib.Path(__file__).parents[1] / "applications/cvat/main.py"
COLORS = (0, 0, 0), (128, 64, 128), (64, 0, 128)
TABLE = ClassTable(("background", "road", "car"), COLORS)
SIZE = (30, 40)


@pytest.fixture(scope="module")
def function(tmp_path_factory):
    """The folder of a function, and its handler of requests."""
    nuclio = pytest.importorskip("nuclio_sdk")
    if keras.config.backend() == "jax":
        pytest.skip("JAX does not write ONNX.")
    folder = tmp_path_factory.mktemp("cvat")
    network = folder / "best.onnx"
    keras_seg.export(known_echo(TABLE), network, size=SIZE)
    runpy.run_path(str(FILE))["write"](network, folder / "function")
    script = runpy.run_path(str(folder / "function/main.py"))
    context = nuclio.Context()
    script["init_context"](context)

    def handle(body):
        """As `LambdaFunction.invoke` of CVAT's lambda_manager sends it."""
        fields = ("fields", "headers", "id", "method", "path", "size", "url")
        event = dict.fromkeys(fields) | {"content_type": "application/json"}
        event |= {"body": body, "timestamp": 0, "trigger": {"kind": "http"}}
        event["trigger"]["name"] = "http"
        event |= dict.fromkeys(("shard_id", "num_shards", "type", "version"))
        event |= {"type_version": 0}
        kind = nuclio.event.EventDeserializerKinds.json
        event = nuclio.Event.deserialize(json.dumps(event), kind=kind)
        response = script["handler"](context, event)
        assert response.content_type == "application/json"
        return response.status_code, json.loads(response.body)

    return folder / "function", handle


def request(pixels, **more):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    image = base64.b64encode(buffer.getvalue()).decode("utf-8")
    return {"image": image, **more}


def encoded(bits):
    """What CVAT makes of the pixels of a mask, `mask2Rle` of cvat-core."""
    edges = np.flatnonzero(np.diff(bits)) + 1
    lengths = np.diff([0, *edges, len(bits)]).tolist()
    return [0, *lengths] if bits[0] else lengths


def drawn(shapes, size):
    """Ids by cvat_sdk's reader of masks, and by the polygons."""
    package = importlib.util.find_spec("cvat_sdk")
    if package is None:
        pytest.skip("cvat_sdk is not installed.")
    file = pathlib.Path(package.origin).parent / "masks.py"
    decode = runpy.run_path(str(file))["decode_mask"]
    masks, polygons = np.zeros((2, *size), int)
    for shape in shapes:
        assert shape["type"] == "mask"
        i = TABLE.names.index(shape["label"])
        *bits, left, top, right, bottom = shape["mask"]
        points = [*encoded(bits), left, top, right, bottom]
        mask = decode(points, image_height=size[0], image_width=size[1])
        assert not masks[mask].any()
        masks[mask] = i
        region = fill([np.reshape(shape["points"], (-1, 2))], size)
        polygons[region.window()][region.inside] = i
    return masks, polygons


def test_masks_and_polygons_are_the_ids(function):
    _, handle = function
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 3, (6, 8, 3)).repeat(5, 0).repeat(5, 1)
    status, shapes = handle(request(pixels.astype("uint8")))
    assert status == 200
    ids = pixels.argmax(-1)
    assert (np.bincount(ids.ravel()) > 0).all()
    for found in drawn(shapes, SIZE):
        np.testing.assert_array_equal(found, ids)


def test_threshold(function):
    """Softmax of (0, n, 0): n = 1 is a probability of 0.58, 2 one of 0.79."""
    _, handle = function
    pixels = np.zeros((*SIZE, 3), "uint8")
    pixels[5:20, 5:20, 1] = 1
    pixels[10:30, 25:40, 1] = 2
    for threshold, expected in ((0.5, {1, 2}), (0.7, {2})):
        _, shapes = handle(request(pixels, threshold=threshold))
        found = drawn(shapes, SIZE)[0] > 0
        assert set(pixels[found][:, 1].tolist()) == expected
        assert found.sum() == sum((pixels[..., 1] == n).sum() for n in expected)
    (shape,) = shapes
    assert float(shape["confidence"]) == pytest.approx(0.7870, abs=1e-3)


def test_labels_are_the_classes(function):
    folder, _ = function
    known = yaml.safe_load((folder / "function.yaml").read_text())
    # As `LambdaFunction.__init__` of CVAT's lambda_manager reads them.
    about = known["metadata"]["annotations"]
    labels = json.loads(about["spec"])
    assert tuple(label["name"] for label in labels) == TABLE.names
    assert about["type"] == "detector"
    assert known["spec"]["handler"] == "main:handler"


def test_what_is_no_image(function):
    _, handle = function
    content = base64.b64encode(b"no image").decode()
    status, answer = handle({"image": content})
    assert status == 422 and "is not an image" in answer["error"]
