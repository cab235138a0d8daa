"""Processes begun by the command line: one is killed, the run goes on."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from keras_seg.cli import app
from keras_seg.cli.train_devices import Place
from keras_seg.distributed import processes
from keras_seg.runs import RunError
from keras_seg.training.checkpoint import read_checkpoint
from tests.conftest import ROOT
from tests.conftest import write_membranes

OPTIONS = (
    "--model unet --backbone none --option filters=4 --option depth=1 "
    "--option dropout=0 --optimizer sgd --learning-rate 1e-2 "
    "--epochs 8 --batch-size 4 --crop 32 --accumulate 2 --quiet"
).split()


def command(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "keras_seg.cli", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path, process):
    while not path.exists() and process.poll() is None:
        time.sleep(0.02)


def workers(process):
    """The processes that one has begun."""
    path = f"/proc/{process.pid}/task/{process.pid}/children"
    return [int(number) for number in pathlib.Path(path).read_text().split()]


@pytest.fixture
def data(tmp_path):
    return write_membranes(tmp_path / "data", 7, 2)


def train_here(*arguments):
    result = CliRunner().invoke(app, ["train", *map(str, arguments)])
    assert result.exit_code == 0, result.output


def assert_same_run(out, whole):
    (facts, arrays), (expected_facts, expected) = (
        read_checkpoint(path / "state.npz") for path in (out, whole)
    )
    assert facts["epoch"] == expected_facts["epoch"] == 8
    assert list(arrays) == list(expected)
    for name, array in arrays.items():
        np.testing.assert_allclose(array, expected[name], atol=1e-4)


@pytest.mark.skipif(
    keras.config.backend() != "torch", reason="one process has all devices"
)
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_killed_worker(data, tmp_path):
    """The run goes on, on another number of devices, as if nothing was."""
    out, whole = tmp_path / "out", tmp_path / "whole"
    process = command("train", data, "--out", out, *OPTIONS, "--devices", 2)
    wait_for(out / "state.npz", process)
    _, second = workers(process)
    os.kill(second, signal.SIGKILL)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "Process 1 of 2 was ended by SIGKILL, and the others" in said
    assert f"keras-seg train --resume {out}" in said
    assert "Traceback" not in said
    train_here("--resume", out, "--quiet")
    train_here(data, "--out", whole, *OPTIONS)
    assert "on 2 devices" in (out / "log.txt").read_text()
    assert_same_run(out, whole)


@pytest.mark.slow
@pytest.mark.skipif(
    keras.config.backend() == "tensorflow", reason="trains in one process"
)
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_two_machines(data, tmp_path, monkeypatch):
    """By --process; one of them loses its worker; resumed by --hosts."""
    out, whole = tmp_path / "out", tmp_path / "whole"
    address = processes.free_address()
    begun = [
        command(
            *("train", data, "--out", out, *OPTIONS),
            *("--process", f"{number}/2", "--coordinator", address),
        )
        for number in range(2)
    ]
    wait_for(out / "state.npz", begun[0])
    os.kill(*workers(begun[1]), signal.SIGKILL)
    begin = time.monotonic()
    said = [process.communicate(timeout=120)[1] for process in begun]
    assert [process.returncode for process in begun] == [1, 1]
    assert "Another process that trains this model has ended" in said[0]
    assert "Process 1 of 2 was ended by SIGKILL" in said[1]
    assert "Traceback" not in "".join(said)
    assert time.monotonic() - begin < 60
    # Machines are told apart by their names, which resolve to this one.
    names = ["127.0.0.1", "127.0.0.2"]
    hosts = tmp_path / "hosts"
    hosts.write_text("\n".join([processes.free_address(), names[1]]))
    (tmp_path / "sitecustomize.py").write_text(
        "import os, socket\nsocket.gethostname = lambda: os.environ['NAME']"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    begun = []
    for name in names:
        monkeypatch.setenv("NAME", name)
        begun.append(command("train", "--resume", out, "--hosts", hosts))
    said = [process.communicate(timeout=300)[1] for process in begun]
    assert [process.returncode for process in begun] == [0, 0], said
    assert (out / "log.txt").read_text().count("on 2 devices") == 2
    # Not in this process, where tests draw the weights of JAX otherwise.
    alone = command("train", data, "--out", whole, *OPTIONS)
    said = alone.communicate(timeout=300)[1]
    assert alone.returncode == 0, said
    assert_same_run(out, whole)


WORKER = """
import os, sys, time
number, count, address = os.environ["KERAS_SEG_PROCESS"].split()
print("out", number, flush=True)
number = int(number)
"""


def run(code, count=2):
    return processes.run_processes(
        [sys.executable, "-c", WORKER + code], range(count), count, "here:1"
    )


@pytest.mark.once
def test_first_process_alone_is_heard(capfd):
    assert run("assert (count, address) == ('2', 'here:1')") == 0
    assert capfd.readouterr().out == "out 0\n"


@pytest.mark.once
def test_error_of_another_process_is_heard(capfd, monkeypatch):
    monkeypatch.setattr(processes, "GRACE", 0.2)
    begin = time.monotonic()
    code = "if number: sys.exit('It is this.')\ntime.sleep(60)"
    assert run(code) == 1
    assert capfd.readouterr().err == "It is this.\n"
    assert time.monotonic() - begin < 30


@pytest.mark.once
def test_same_error_is_heard_once(capfd):
    assert run("time.sleep(0.1 * (1 - number))\nsys.exit('It is this.')") == 1
    assert capfd.readouterr().err == "It is this.\n"


@pytest.mark.once
def test_killed_process_is_named():
    with pytest.raises(RunError, match="Process 1 of 2 was ended by SIGKILL"):
        run("if number: os.kill(os.getpid(), 9)\ntime.sleep(60)")


@pytest.mark.once
def test_worker_ends_with_its_parent(monkeypatch):
    """However that ends, its end of a pipe is closed."""
    code = (
        "import time\nfrom keras_seg.distributed import processes\n"
        "print(processes.place_in_group(), flush=True)\ntime.sleep(60)"
    )
    monkeypatch.setenv(processes.VARIABLE, "1 2 here:1")
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout.readline() == "((1, 2), 'here:1')\n"
        worker.stdin.close()
        assert worker.wait(30) == 1


@pytest.mark.once
@pytest.mark.parametrize("kind", [RuntimeError, ValueError])
def test_another_process_that_ends_is_named(monkeypatch, kind):
    monkeypatch.setattr(processes, "GRACE", 0)
    with (
        pytest.raises(RunError, match="Another process that trains"),
        processes.lost_others(),
    ):
        raise kind("gloo/pair.cc: Connection closed by peer")
    with pytest.raises(kind, match="^of a bug$"):
        with processes.lost_others():
            raise kind("of a bug")


@pytest.mark.once
def test_hosts(tmp_path, monkeypatch):
    path = tmp_path / "hosts"
    path.write_text("# two of them\nnode0\nnode1\n")
    monkeypatch.setattr("socket.gethostname", lambda: "node1.local")
    assert Place.of(None, None, None, path) == Place("all", 1, 2, "node0:29500")


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--devices", "0"), "--devices"),
        (("--process", "2/2", "--coordinator", "a:1"), "from 0/N to N-1/N"),
        (("--process", "0/2"), "go together"),
        (("--process", "0/2", "--coordinator", "a"), "ADDRESS:PORT"),
        (("--devices", "2", "--time", "1m"), "measures one device"),
        (("--devices", "2", "--dry-run"), "measures one device"),
    ],
)
def test_mistakes_are_told(tmp_path, options, text):
    result = CliRunner().invoke(app, ["train", str(tmp_path), *options])
    assert result.exit_code == 2 and text in result.output, result.output
