"""`keras-seg serve`: what it says of addresses, networks and packages."""

import importlib.util
import socket
from unittest import mock

import pytest

from keras_seg.cli import serve
from keras_seg.cli.serve import _photographs
from keras_seg.data import read_image

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "host, sentence",
    [
        ("127.0.0.1", "Port {port} is taken. Fix: choose another with --port"),
        ("192.0.2.1", "192.0.2.1 is no address of this computer. Fix: choose"),
        ("no such host", "no such host is no address of this computer. Fix:"),
    ],
)
def test_addresses(invoke, host, sentence):
    """Before a network is loaded."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = invoke("serve", "no run", "--host", host, "--port", port)
    assert result.exit_code == 1
    assert result.stderr.startswith(sentence.format(port=port))
    assert result.stderr.count("\n") == 1


def test_networks(invoke, tmp_path):
    result = invoke("serve", tmp_path / "none")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{tmp_path / 'none'} does not exist; a ")
    assert result.stderr.count("\n") == 1


def test_files_are_removed_while_nobody_comes(monkeypatch):
    """And few visitors wait."""
    monkeypatch.setattr(serve, "PAUSE", 0.001)
    page, tidy = mock.Mock(), mock.Mock(side_effect=[None, KeyboardInterrupt])
    page.launch.return_value = None, "http://127.0.0.1:7860", None
    with pytest.raises(KeyboardInterrupt):
        serve._listen(page, "127.0.0.1", None, 1, tidy)
    names = [call[0] for call in page.method_calls]
    assert names == ["queue", "launch", "close"] and tidy.call_count == 2
    assert page.queue.call_args == mock.call(max_size=64)


def test_samples_of_no_run(monkeypatch):
    """Photographs of scikit-image, and none where it is not installed."""
    shapes = {path.stem: read_image(path).shape for path in _photographs()}
    assert set(shapes) == {"astronaut", "chelsea", "coffee"}
    assert all(shape[-1] == 3 for shape in shapes.values())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert _photographs() == []


def test_without_gradio(invoke, monkeypatch):
    def missing(name, *args):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    result = invoke("serve")
    assert result.exit_code == 1
    assert result.stderr == (
        "keras-seg serve needs gradio. Fix: pip install 'keras-seg[demo]'\n"
    )
