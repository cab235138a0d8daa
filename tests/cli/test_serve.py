"""`keras-seg serve`: what it says of addresses, networks and packages."""

import importlib
import socket

import pytest

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


def test_without_gradio(invoke, monkeypatch):
    def missing(name, *args):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    result = invoke("serve")
    assert result.exit_code == 1
    assert result.stderr == (
        "keras-seg serve needs gradio. Fix: pip install 'keras-seg[demo]'\n"
    )
