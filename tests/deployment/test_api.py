"""The server of an exported network, by requests over ASGI."""

import concurrent.futures
import dataclasses
import io
import threading
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import keras_seg
from keras_seg.cli.commands import app
from keras_seg.data import ClassTable
from keras_seg.deployment import ExportedModel
from keras_seg.deployment import Limits
from keras_seg.deployment import create_app
from keras_seg.deployment.api import _format_of
from keras_seg.inference import Tiles
from tests.networks import known_echo

fastapi = pytest.importorskip("fastapi")
testclient = pytest.importorskip("fastapi.testclient")
pytest.importorskip("prometheus_client")

pytestmark = pytest.mark.once

COLORS = (0, 0, 0), (128, 64, 128), (64, 0, 128)
TABLE = ClassTable(("background", "road", "car"), COLORS)
SIZE = (30, 40)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A network whose class is the largest of red, green and blue."""
    if keras.config.backend() == "jax":
        pytest.skip("JAX does not write ONNX.")
    path = tmp_path_factory.mktemp("api") / "net.onnx"
    keras_seg.export(known_echo(TABLE), path, size=SIZE)
    return path


@pytest.fixture
def serve(file):
    """A client of the network, with limits; and the network."""
    clients = []

    def start(**limits):
        model = ExportedModel(file)
        app = create_app(model, Limits(**limits))
        client = testclient.TestClient(app, raise_server_exceptions=False)
        clients.append(client.__enter__())
        return client, model

    yield start
    for client in clients:
        client.__exit__(None, None, None)


def content(pixels, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def drawn(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), "uint8")


def test_answers_are_the_files_of_predict(serve, file, tmp_path):
    """Byte by byte, for images that need tiles, EXIF, alpha, no data."""
    pytest.importorskip("rasterio")
    turned = Image.Exif()
    turned[274] = 6
    rgba = np.dstack([drawn(2), drawn(3)[..., 0]])
    images = {
        "same.png": content(drawn(0)),
        "large.png": content(drawn(1, (70, 90))),
        "turned.jpg": content(drawn(1), "JPEG", exif=turned),
        "alpha.webp": content(rgba, "WEBP", lossless=True),
        "clear.tif": content(np.where(rgba > 99, rgba, np.uint8(0)), "TIFF"),
        "gray.tif": content(drawn(4)[..., 0], "TIFF"),
    }
    for name, body in images.items():
        (tmp_path / name).write_bytes(body)
    out = tmp_path / "out"
    command = ["predict", "--model", file, tmp_path, "--out", out]
    done = CliRunner().invoke(app, [*map(str, command), "--polygons=geojson"])
    assert done.exit_code == 0, done.output
    client, _ = serve()
    for name, body in images.items():
        stem = name.partition(".")[0]
        for kind, end in (
            ("png", ".png"),
            ("overlay", "_overlay.jpg"),
            ("geojson", ".geojson"),
        ):
            found = client.post(f"/predict?format={kind}", content=body)
            assert found.status_code == 200, found.text
            assert found.content == (out / f"{stem}{end}").read_bytes()


def test_requests_at_once_get_their_own_answers(serve):
    client, model = serve(window=0.02, batch_size=4)
    sizes, inner = [], model.predict_on_batch
    model.predict_on_batch = lambda x: [sizes.append(len(x)), inner(x)][1]

    def asked(seed):
        pixels = drawn(seed)
        answer = client.post("/predict", content=content(pixels))
        mask = Image.open(io.BytesIO(answer.content))
        return (np.asarray(mask) == pixels.argmax(-1)).all()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(asked, range(48)))
    assert sum(sizes) == 48 and 1 < max(sizes) <= 4
    text = client.get("/metrics").text
    for line in (
        'keras_seg_requests_total{status="200"} 48.0',
        "keras_seg_wait_seconds_count 48.0",
        f"keras_seg_batch_images_count {len(sizes)}.0",
        "keras_seg_batch_images_sum 48.0",
    ):
        assert line in text.splitlines()


def test_a_saved_model_gets_one_image_at_a_time(serve):
    """Its scores depend on the batch."""
    _, model = serve()
    sizes, inner = [], model.predict_on_batch
    model.predict_on_batch = lambda x: [sizes.append(len(x)), inner(x)][1]
    for name, largest in (("onnx", 3), ("tf_saved_model", 1)):
        model.metadata = dataclasses.replace(model.metadata, format=name)
        app = create_app(model, Limits(window=2, batch_size=3))
        with (
            testclient.TestClient(app) as client,
            concurrent.futures.ThreadPoolExecutor(3) as pool,
        ):
            sizes.clear()  # The first prediction of a server.
            jobs = [
                pool.submit(client.post, "/predict", content=IMAGE)
                for _ in range(3)
            ]
            assert [job.result().status_code for job in jobs] == [200] * 3
        assert max(sizes) == largest


IMAGE = content(drawn(0))


@pytest.mark.parametrize(
    "body, status, words",
    [
        (b"", 400, "The body is empty"),
        (b"hello", 415, "is not an image (5 bytes)"),
        (IMAGE[:200], 422, "is incomplete or damaged"),
        (content(drawn(0, (70, 80))), 413, "has 70×80 pixels; this server tak"),
        (bytes(20_001), 413, "has more than 20000 bytes"),
        (iter([bytes(15_000), bytes(15_000)]), 413, "has more than 20000"),
        (content(np.zeros((4, 4), "float32"), "TIFF"), 422, "floating-point"),
    ],
)
def test_what_is_refused(serve, body, status, words):
    client, _ = serve(bytes=20_000, pixels=5_000)
    answer = client.post("/predict", content=body)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
    assert client.post("/predict", content=IMAGE).status_code == 200


def test_a_geotiff_is_refused(serve, tmp_path):
    """The answer would lose its place."""
    rasterio = pytest.importorskip("rasterio")
    profile = {"driver": "GTiff", "width": 40, "height": 30, "count": 3}
    place = rasterio.Affine(1, 0, 500_000, 0, -1, 5_000_000)
    with rasterio.open(
        tmp_path / "a.tif", "w", dtype="uint8", transform=place, **profile
    ) as file:
        file.write(drawn(0).transpose(2, 0, 1))
    client, _ = serve()
    body = (tmp_path / "a.tif").read_bytes()
    answer = client.post("/predict", content=body)
    assert answer.status_code == 422 and "GeoTIFF" in answer.json()["detail"]


def test_too_many_at_once_are_told_to_come_later(serve):
    client, model = serve(requests=2)
    inner = model.predict_on_batch
    entered, gate = threading.Event(), threading.Event()

    def slow(images):
        entered.set()
        assert gate.wait(30)
        return inner(images)

    model.predict_on_batch = slow
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting = [
            pool.submit(client.post, "/predict", content=IMAGE)
            for _ in range(2)
        ]
        assert entered.wait(30)
        while True:  # The second comes in.
            answer = client.post("/predict", content=IMAGE[:100])
            if answer.status_code == 429:
                break
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert client.get("/health").status_code == 200
        gate.set()
        assert [x.result().status_code for x in waiting] == [200, 200]
    assert client.post("/predict", content=IMAGE).status_code == 200


@pytest.mark.parametrize(
    "error, status, words",
    [
        (MemoryError(), 503, "There is not enough memory for this image. Fix"),
        (RuntimeError("Out of memory"), 503, "There is not enough memory"),
        (ValueError("It is too small."), 422, "It is too small."),
        (KeyError(), 500, "The server failed by KeyError; its log has more."),
    ],
)
def test_an_error_is_of_its_request_only(serve, error, status, words):
    client, model = serve(window=0.2, batch_size=4)
    inner = model.predict_on_batch

    def fails(images):
        if (images == 0).all(axis=(1, 2, 3)).any():
            raise error
        return inner(images)

    model.predict_on_batch = fails
    black = content(np.zeros((*SIZE, 3), "uint8"))
    bodies = [IMAGE, black, IMAGE]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = pool.map(lambda x: client.post("/predict", content=x), bodies)
        one, wrong, two = answers
    assert one.status_code == two.status_code == 200
    assert wrong.status_code == status
    assert wrong.json()["detail"].startswith(words)
    count = f'keras_seg_requests_total{{status="{status}"}} 1.0'
    assert count in client.get("/metrics").text
    assert client.get("/health").json()["classes"][1]["name"] == "road"


@pytest.mark.parametrize(
    "accept, expected",
    [
        ("*/*", "png"),
        ("application/geo+json", "geojson"),
        ("image/*", "png"),
        ("image/jpeg, image/png;q=0.5", "overlay"),
        ("image/jpeg;q=0.2, application/geo+json;q=0.9", "geojson"),
        ("application/json, text/plain, */*", "png"),
        ("image/png;q=0, image/jpeg", "overlay"),
        ("text/html", 406),
    ],
)
def test_accept(accept, expected):
    try:
        assert _format_of(None, accept) == expected
    except fastapi.HTTPException as error:
        assert error.status_code == expected
    assert _format_of("geojson", accept) == "geojson"


def test_tiles_are_refused_before_requests(file):
    model, tiles = ExportedModel(file), Tiles(64, overlap=32)
    with pytest.raises(ValueError, match="takes 30×40 pixels, and gets tiles"):
        create_app(model, tiles=tiles)
    model.inputs[0] = SimpleNamespace(shape=(None, None, None, 3))
    create_app(model, tiles=tiles)
    model.longest_side = 480
    with pytest.raises(ValueError, match="to 480 pixels. It needs no tiles"):
        create_app(model, tiles=tiles)


def test_labels_that_overlap_are_refused(file):
    model = ExportedModel(file)
    model.multi_label = True
    with pytest.raises(ValueError, match="one of at most 255 classes a pixel"):
        create_app(model)
