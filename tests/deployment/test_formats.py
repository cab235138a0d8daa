"""What a format says of the packages it needs."""

import pytest

from keras_seg.deployment import formats

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("path", "backend", "missing", "said"),
    [
        (
            "a",
            "jax",
            ("tensorflow",),
            "TensorFlow SavedModel needs tensorflow, which is not installed. "
            'Fix: pip install "keras-seg[tensorflow]".',
        ),
        (
            "a.onnx",
            "tensorflow",
            ("tf2onnx", "onnxruntime"),
            "ONNX needs tf2onnx and onnxruntime, which are not installed. "
            'Fix: pip install "keras-seg[export]".',
        ),
        (
            "a.tflite",
            "tensorflow",
            ("ai_edge_litert", "tensorflow"),
            "LiteRT needs ai_edge_litert, which is not installed. "
            'Fix: pip install "keras-seg[export]".',
        ),
    ],
)
def test_missing_packages(monkeypatch, path, backend, missing, said):
    monkeypatch.setattr(formats, "is_installed", lambda x: x not in missing)
    with pytest.raises(formats.ExportError) as caught:
        formats.format_of(path).check_installed(backend)
    assert str(caught.value) == said
