"""`keras-seg serve --api`: its sentences, workers, and how it ends."""

import concurrent.futures
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from PIL import Image

import keras_seg
from keras_seg.data import ClassTable
from tests.networks import known_echo

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")
pytestmark = pytest.mark.once

SIZE = (30, 40)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    if keras.config.backend() == "jax":
        pytest.skip("JAX does not write ONNX.")
    path = tmp_path_factory.mktemp("served") / "net.onnx"
    model = known_echo(ClassTable.default(3))
    keras_seg.export(model, path, size=SIZE)
    return path


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_options_of_the_other_way(invoke):
    result = invoke("serve", "--workers", 2)
    assert result.exit_code == 2
    assert "--workers" in result.stderr and "comes with --api" in result.stderr
    result = invoke("serve", "--api", "--last", "--port", free_port())
    assert result.exit_code == 2 and "--last" in result.stderr


def test_a_run_is_exported_first(invoke, tmp_path):
    known_echo(ClassTable.default(3)).save(tmp_path / "net.keras")
    port = free_port()
    result = invoke("serve", tmp_path / "net.keras", "--api", "--port", port)
    assert result.exit_code == 1
    assert "--api serves what keras-seg export wrote" in result.stderr


def test_a_network_of_one_size_takes_no_tiles(invoke, exported):
    options = "--api", "--tile", 64, "--port", free_port()
    result = invoke("serve", exported, *options)
    assert result.exit_code == 1
    assert result.stderr.startswith("--tile is for models that take images of ")


def test_without_uvicorn(invoke, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = invoke("serve", "--api", "--port", free_port())
    assert result.exit_code == 1
    assert result.stderr == (
        "keras-seg serve --api needs uvicorn. Fix: "
        "pip install 'keras-seg[api]'\n"
    )


def asked(port, method, path, body=None):
    """The status and the content of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def until_healthy(port):
    end = time.monotonic() + 60
    while True:
        try:
            status, content = asked(port, "GET", "/health")
            assert status == 200
            return json.loads(content)
        except ConnectionError:
            assert time.monotonic() < end
            time.sleep(0.1)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_taken_is_answered_after_a_signal(exported, workers):
    """The window keeps images waiting; the signal comes meanwhile."""
    port = free_port()
    command = [sys.executable, "-m", "keras_seg.cli", "serve", exported]
    command += ["--api", "--port", str(port), "--workers", str(workers)]
    command += ["--window", "1000"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "none"},
    )
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, *SIZE, 3), "uint8")
    bodies = []
    for pixels in images:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        bodies.append(buffer.getvalue())
    try:
        assert until_healthy(port)["network"] == "net.onnx"
        assert asked(port, "POST", "/predict", b"")[0] == 400
        for _ in range(4):  # Whichever worker answers.
            _, content = asked(port, "GET", "/metrics")
            assert b'requests_total{status="400"} 1.0\n' in content
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = [
                pool.submit(asked, port, "POST", "/predict", body)
                for body in bodies
            ]
            time.sleep(0.4)
            process.send_signal(signal.SIGTERM)
            for pixels, answer in zip(images, answers, strict=True):
                status, content = answer.result()
                assert status == 200
                ids = np.asarray(Image.open(io.BytesIO(content)))
                np.testing.assert_array_equal(ids, pixels.argmax(-1))
        output, errors = process.communicate(timeout=60)
        with pytest.raises(ConnectionError):
            asked(port, "GET", "/health")
    finally:
        process.kill()
    assert output.startswith(f"POST images to http://127.0.0.1:{port}/predict")
    assert output.endswith("\nEnded.\n")
    assert "Traceback" not in errors
    assert process.returncode == 0
