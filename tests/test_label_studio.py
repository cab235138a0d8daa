"""The backend of Label Studio, by requests as Label Studio sends them."""

import importlib.util
import json
import pathlib
import runpy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.data import from_folder
from keras_seg.data.readers.bitmaps import pack_brush
from tests.networks import known_echo

pytestmark = pytest.mark.once

FILE = (
    pathlib.Path(__file__).parents[1] / "applications/label_studio/backend.py"
)
COLORS = (0, 0, 0), (128, 64, 128), (64, 0, 128)
TABLE = ClassTable(("background", "road", "car"), COLORS)
CONFIG = """<View>
  <Image name="image" value="$photo"/>
  <BrushLabels name="brush" toName="image">
    <Label value="Road" predicted_values="street, road"/>
    <Label value="car" alias="vehicle"/>
    <Label value="dog"/>
  </BrushLabels>
</View>"""


@pytest.fixture(scope="module")
def decode():
    """Label Studio's; its package needs more than this file does."""
    package = importlib.util.find_spec("label_studio_sdk")
    if package is None:
        pytest.skip("label_studio_sdk is not installed.")
    file = pathlib.Path(package.origin).parent / "converter/brush.py"
    return runpy.run_path(str(file))["decode_rle"]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 40_000)), min_size=1),
    st.integers(1, 9),
)
def test_pack_brush(decode, runs, height):
    """Runs of each length, also of more than 16 bits."""
    flat = np.repeat(*zip(*runs, strict=True))
    mask = np.resize(flat, (height, -(-flat.size // height)))
    values = decode(pack_brush(mask))
    expected = np.repeat(mask[..., None] * 255, 4, axis=2)
    np.testing.assert_array_equal(values.reshape(expected.shape), expected)


@pytest.fixture(scope="module")
def backend(tmp_path_factory):
    """A client, and the folder of local files."""
    pytest.importorskip("label_studio_sdk")
    from fastapi.testclient import TestClient

    folder = tmp_path_factory.mktemp("files")
    known_echo(TABLE).save(folder / "net.keras")
    pixels = np.random.default_rng(0).integers(0, 4, (40, 50, 3), "uint8")
    for name in ("a.png", "b.png"):
        Image.fromarray(pixels).save(folder / name)
        pixels = pixels[:30]
    (folder / "c.png").write_bytes(b"no image")
    script = runpy.run_path(str(FILE))
    script["io"].LOCAL_FILES_DOCUMENT_ROOT = str(folder)
    return TestClient(script["create_app"](folder / "net.keras")), folder


def asked(client, *names, config=CONFIG):
    """A request as `make_predictions` in Label Studio's api_connector.py."""
    tasks = [
        {
            "id": number,
            "data": {"photo": f"/data/local-files/?d={name}"},
            "annotations": [],
            "predictions": [],
        }
        for number, name in enumerate(names, start=1)
    ]
    request = {
        "tasks": tasks,
        "model_version": None,
        "project": "1.1600000000",
        "label_config": config,
        "params": {"login": None, "password": None, "context": None},
    }
    return client.post("/predict", json=request)


def test_connection(backend):
    client, _ = backend
    assert client.get("/health").json()["status"] == "UP"
    request = {
        "project": "1.1600000000",
        "schema": CONFIG,
        "extra_params": None,
    }
    version = client.post("/setup", json=request).json()["model_version"]
    assert version.startswith("net.keras 20")
    for config, sentence in (
        (CONFIG.replace("BrushLabels", "PolygonLabels"), "has no brush"),
        (CONFIG.replace("road", "a").replace("car", "b"), "No label is a"),
        ("<View>", "no element found"),
    ):
        response = client.post("/setup", json={**request, "schema": config})
        assert response.status_code == 422
        assert sentence in response.json()["error"]


def test_strokes_are_the_mask(backend, decode, tmp_path):
    client, folder = backend
    answers = asked(client, "a.png", "b.png").json()["results"]
    tasks, expected = [], []
    for name, answer in zip(("a.png", "b.png"), answers, strict=True):
        pixels = np.array(Image.open(folder / name))
        above = pixels - pixels.max(-1, keepdims=True).astype("float64")
        largest = 1 / np.exp(above).sum(-1)
        # Probabilities are float16.
        assert answer["score"] == pytest.approx(largest.mean(), abs=1e-3)
        ids, masks = pixels.argmax(-1), {}
        for shape in answer["result"]:
            size = shape["original_height"], shape["original_width"]
            assert size == ids.shape
            assert (shape["from_name"], shape["to_name"]) == ("brush", "image")
            (label,) = shape["value"]["brushlabels"]
            rgba = decode(shape["value"]["rle"])
            masks[label] = rgba.reshape(*size, 4)[..., 3]
        assert set(masks) == {"Road", "vehicle"}
        np.testing.assert_array_equal(masks["Road"], 255 * (ids == 1))
        np.testing.assert_array_equal(masks["vehicle"], 255 * (ids == 2))
        # As Label Studio exports what was accepted.
        task = {"id": len(tasks), "data": {"photo": f"/data/upload/1/{name}"}}
        task["annotations"] = [{"id": 1, "result": answer["result"]}]
        tasks.append(task)
        expected.append(ids)
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    read = from_folder(tmp_path)
    order = [read.class_table.names.index(n) for n in ("Road", "vehicle")]
    for (_, mask), ids in zip(read, expected, strict=True):
        found = [mask == i for i in order]
        np.testing.assert_array_equal(found, [ids == 1, ids == 2])


def test_what_cannot_be_read(backend):
    """An answer without regions would say that nothing is there."""
    client, _ = backend
    for names, sentence in (
        (("a.png", "c.png"), "c.png is not an image"),
        (("../c.png",), "c.png"),
    ):
        response = asked(client, *names)
        assert response.status_code == 422
        assert sentence in response.json()["error"]
    config = CONFIG.replace("$photo", "$picture")
    response = asked(client, "a.png", config=config)
    assert response.json() == {"error": "'picture'"}
