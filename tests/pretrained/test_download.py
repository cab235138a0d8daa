"""Networks by their names: files of the real layout, from a local server."""

import dataclasses
import hashlib
import http.server
import json
import multiprocessing
import os
import sys
import threading
import time

import keras
import numpy as np
import pytest

from keras_seg.applications.backbones import backbone_layers
from keras_seg.data import read_mask
from keras_seg.data import synthetic
from keras_seg.inference import predict
from keras_seg.pretrained import catalogue
from keras_seg.pretrained import download as module
from keras_seg.pretrained import load
from keras_seg.runs import Settings
from keras_seg.runs import class_table_of
from keras_seg.training import build_model
from keras_seg.training.recipes import finetune
from tests.networks import outputs
from tests.pretrained.torchvision.test_convert import golden_state

# The sockets of downloads that were cut are closed when they are collected.
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)

NAME = "lraspp_mobilenet_v3_large"
CLASSES = synthetic.shape_classes(3)  # The golden logits have as many.


class Server(http.server.ThreadingHTTPServer):
    """Serves one file, in a way that a test chooses."""

    daemon_threads = True
    content = b""
    way = "whole"
    served = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.served += 1
        if server.way == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        half = len(server.content) // 2
        self.wfile.write(server.content[:half])
        self.wfile.flush()
        if server.way == "cut":
            return
        if server.way == "stalled":
            time.sleep(3)
            return
        if server.way == "slow":
            time.sleep(0.5)
        self.wfile.write(server.content[half:])

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The file of a network, with the weights of its golden logits."""
    torch = pytest.importorskip("torch")
    state = golden_state(NAME)
    path = tmp_path_factory.mktemp("file") / "state.pth"
    torch.save(
        {k: torch.from_numpy(np.array(v)) for k, v in state.items()}, path
    )
    return path.read_bytes()


@pytest.fixture
def server(content, tmp_path, monkeypatch):
    """The catalogue has the network at this server, with an empty cache."""
    server = Server(("127.0.0.1", 0), Handler)
    server.content = content
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/state-01234567.pth"
    known = dataclasses.replace(
        catalogue.find(NAME),
        class_table=CLASSES,
        url=url,
        sha256=hashlib.sha256(content).hexdigest()[:8],
    )
    monkeypatch.setattr(catalogue, "CATALOGUE", (known,))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cache" / "models" / "state-01234567.pth"


@pytest.mark.once
def test_load(server, file):
    """Downloaded once; the network knows its classes, also when saved."""
    model = load(NAME)
    assert class_table_of(model) == CLASSES
    assert model.name == NAME and server.served == 1
    assert [x.name for x in file.parent.iterdir()] == [file.name]
    server.way = "missing"
    image = np.random.default_rng(0).integers(0, 256, (1, 65, 50, 3))
    again = load(NAME)
    np.testing.assert_array_equal(outputs(again, image), outputs(model, image))
    model.save(file.with_name("model.keras"))
    saved = keras.models.load_model(file.with_name("model.keras"))
    assert class_table_of(saved) == CLASSES
    # A damaged file in the cache is replaced.
    server.way = "slow"
    file.write_bytes(server.content[:1000])
    assert module.download(catalogue.find(NAME)) == file
    assert file.read_bytes() == server.content and server.served == 2


@pytest.mark.once
def test_training_starts_from_a_name(server):
    """The class scores are new; all else is kept, and counts as backbone."""
    model = build_model(Settings(start_from=NAME), 2)
    assert model.output_shape[-1] == 2 and class_table_of(model) is None
    kept = {layer.name for layer in backbone_layers(model)}
    others = {x.name for x in model.layers if x.weights} - kept
    assert others == {"low_score", "high_score"}
    found = finetune([None], model, classes=2)["optimizer"].multipliers
    assert list(found.values()) == [0.1]
    before = load(NAME).get_layer("head_conv").get_weights()
    np.testing.assert_array_equal(
        before, model.get_layer("head_conv").get_weights()
    )


@pytest.mark.once
@pytest.mark.parametrize(
    ("way", "error", "said"),
    [
        ("missing", OSError, "be downloaded \\(Not Found\\)"),
        ("cut", OSError, "retrieval incomplete: got only"),
        ("stalled", OSError, "timed out"),
        ("another", ValueError, "not the published file: its SHA-256 is"),
    ],
)
def test_a_download_that_fails(server, file, monkeypatch, way, error, said):
    """One sentence, and nothing in the cache."""
    monkeypatch.setattr(module, "STALLED", 1)
    server.way = way
    if way == "another":
        server.content = server.content[::-1]
    with pytest.raises(error, match=said) as caught:
        module.download(catalogue.find(NAME))
    assert str(file) in str(caught.value)
    assert list(file.parent.iterdir()) == []


@pytest.mark.once
def test_no_network_and_no_place(server, file, monkeypatch):
    server.shutdown()
    server.server_close()
    known = catalogue.find(NAME)
    with pytest.raises(OSError, match="could not be downloaded .*Conn"):
        module.download(known)
    file.parent.rmdir()
    file.parent.write_text("a file")
    with pytest.raises(OSError, match="models cannot be written"):
        module.download(known)


def _download(known, home, barrier, results):
    os.environ["KERAS_HOME"] = home
    barrier.wait(60)
    path = module.download(known)
    results.put(hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.once
def test_two_processes_at_once(server, file, tmp_path):
    """Neither sees a part of the other's file; a killed one leaves none."""
    server.way = "slow"
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    arguments = catalogue.find(NAME), str(tmp_path / "cache"), barrier, results
    processes = [
        context.Process(target=_download, args=arguments) for _ in range(3)
    ]
    for process in processes:
        process.start()
    deadline = time.monotonic() + 60
    while server.served < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    processes[0].kill()
    found = {results.get(timeout=60) for _ in range(2)}
    assert found == {hashlib.sha256(server.content).hexdigest()}
    for process in processes:
        process.join(60)
    whole = file.stat()
    left = [x for x in file.parent.iterdir() if x != file]
    assert len(left) == 1 and left[0].name.startswith(".writing-")
    assert module.download(catalogue.find(NAME)).stat() == whole


@pytest.mark.once
def test_the_command_line(server, data_dir, tmp_path, monkeypatch):
    """A name goes where a model is named; a folder of that name is first."""
    from typer.testing import CliRunner

    from keras_seg.cli import app

    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    photo = data_dir / "photos/cat.png"
    out = tmp_path / "out"
    result = run("predict", "--model", NAME, photo, "--out", out)
    assert result.exit_code == 0, result.output
    assert "Wrote 1 of 1 masks" in result.stdout
    (expected,) = predict(load(NAME), [photo])
    np.testing.assert_array_equal(read_mask(out / "cat.png"), expected.ids)
    result = run("predict", "--model", NAME, photo, "--out", out)
    assert result.stdout.startswith("1 predicted before")
    result = run("predict", "--model", NAME[:-1], photo)
    assert f"Did you mean '{NAME}'?" in result.stderr
    images, masks = synthetic.shapes(2, size=48, classes=3)
    for number, table in enumerate((CLASSES, synthetic.MEMBRANE_CLASSES)):
        data = tmp_path / str(number)
        masks %= len(table)
        synthetic.write_folder(data, images, masks, table)
        results = tmp_path / "results"
        options = ("--split", "train", "--out", results)
        result = run("evaluate", NAME, data, *options)
        assert result.exit_code == number, result.output
    assert (results / "evaluation_train.csv").is_file()
    assert f"{NAME} was trained on background, " in result.stderr
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "torch", None)
        result = run("predict", "--model", NAME, photo)
        assert "needs torch. Fix: pip install" in result.stderr
    server.way = "missing"
    os.remove(tmp_path / "cache/models/state-01234567.pth")
    result = run("predict", "--model", NAME, photo)
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    assert "could not be downloaded (Not Found). Fix: " in result.stderr


@pytest.mark.once
def test_the_table(monkeypatch):
    from typer.testing import CliRunner

    from keras_seg.cli import app

    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["models"]).stdout
    assert max(map(len, shown.split("mIoU, percent")[0].splitlines())) <= 80
    assert "…" not in shown
    assert "non-commercial: see https://github.com/NVlabs/SegFormer" in shown
    facts = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)
    for known, model in zip(facts, catalogue.CATALOGUE, strict=True):
        assert known["name"] == model.name and model.name in shown
        assert known["sha256"] == model.sha256
        assert known["classes"] == list(model.class_table.names)
