"""A folder of data and a run, made once by the command line itself."""

import contextlib
import csv
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

import keras
import pytest
from typer.testing import CliRunner

from keras_seg.cli import app
from keras_seg.data import synthetic

TINY = (
    "--model unet --backbone none --option filters=4 --option depth=2 "
    "--epochs 1 --batch-size 4 --crop 32"
).split()


@pytest.fixture(scope="session")
def invoke():
    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


@pytest.fixture(scope="session")
def tiny():
    """Options of `keras-seg train` for a network that trains in seconds."""
    return TINY


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("membranes") / "data"
    images, masks = synthetic.membranes(7, size=48)
    classes = synthetic.MEMBRANE_CLASSES
    synthetic.write_folder(path, images[:4], masks[:4], classes, "train")
    synthetic.write_folder(path, images[4:], masks[4:], classes, "val")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory, data, invoke):
    """What `keras-seg train` printed, and the folder it wrote."""
    out = tmp_path_factory.mktemp("runs") / "run"
    return invoke("train", data, "--out", out, *TINY), out


@pytest.fixture(scope="session")
def run(trained, tmp_path_factory):
    """A copy of the run, into which evaluations are written."""
    path = tmp_path_factory.mktemp("evaluated") / "run"
    return shutil.copytree(trained[1], path)


@pytest.fixture(scope="session")
def model(run):
    """The best model of the run."""
    return keras.models.load_model(run / "best.keras")


@pytest.fixture(scope="session")
def images(data):
    """The paths of the three validation images."""
    return sorted((data / "val" / "images").iterdir())


@pytest.fixture
def run_copy(trained, tmp_path):
    """A copy of the run for one test."""
    return shutil.copytree(trained[1], tmp_path / "run")


@pytest.fixture
def predict_to(invoke, run):
    """Predicts into a folder, without a mistake."""

    def predict(out, *arguments):
        result = invoke("predict", run, *arguments, "--out", out)
        assert result.exit_code == 0, result.output
        return result

    return predict


@pytest.fixture(scope="session")
def rows():
    """Reads a table."""

    def read(path):
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture(scope="session")
def serving(tmp_path_factory):
    """Runs `keras-seg serve` beside the test; gives the address of its page.

    A signal ends it as every command, and nothing is left of its files.
    """
    pytest.importorskip("gradio")

    @contextlib.contextmanager
    def serve(*arguments, **environment):
        temporary = tmp_path_factory.mktemp("temporary")
        process = subprocess.Popen(
            [sys.executable, "-m", "keras_seg.cli", "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                **os.environ,
                "KERAS_BACKEND": keras.backend.backend(),
                "TMPDIR": str(temporary),
                **environment,
            },
        )
        try:
            end = time.monotonic() + 120
            while not select.select([process.stdout], [], [], 1)[0]:
                assert time.monotonic() < end, "It does not listen."
            line = process.stdout.readline().decode()
            found = re.fullmatch("Open (http.*) in a browser. .*\n", line)
            assert found, line + process.stderr.read().decode()
            assert len(list(temporary.glob("keras_seg_*"))) == 1
            yield found[1]
        finally:
            # SIGINT is ignored by what runs in the background of a shell.
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        # TensorFlow 2.18 writes warnings of its own before.
        assert errors.decode().endswith("Ended by SIGTERM.\n")
        assert "Traceback" not in errors.decode()
        assert process.returncode == 143
        # PyTorch 2.5 has a folder of its own.
        assert list(temporary.glob("keras_seg_*")) == []

    return serve
