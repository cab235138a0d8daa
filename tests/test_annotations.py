import importlib
import inspect
import types

import keras
import pytest

ROOMS = (
    "",
    "applications",
    "crf",
    "data",
    "deployment",
    "fast",
    "inference",
    "layers",
    "losses",
    "metrics",
    "metrics.em",
    "ops",
    "runs",
    "surgery",
    "training",
    "training.recipes",
    "unsupervised",
    "visualization",
)
# What Keras calls, in its own signatures, which it does not annotate either.
PROTOCOL = {
    "build",
    "call",
    "compute_output_shape",
    "compute_output_spec",
    "from_config",
    "get_config",
}


def functions_of(name, value):
    """The functions that a user of an exported value calls, by name."""
    if inspect.isfunction(value):
        yield name, value
    if not inspect.isclass(value):
        return
    for owner in value.__mro__:
        if not owner.__module__.startswith("keras_seg"):
            continue
        for key, member in vars(owner).items():
            member = getattr(member, "__func__", member)
            if key in PROTOCOL and issubclass(owner, keras.layers.Layer):
                continue
            public = key == "__init__" or not key.startswith("_")
            if public and inspect.isfunction(member):
                yield f"{owner.__name__}.{key}", member


def missing(name, function):
    """What of a function has no annotation."""
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        several = parameter.kind in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if several or parameter.name in ("self", "cls"):
            continue
        if parameter.annotation is parameter.empty:
            yield f"{name}: {parameter.name}"
    returns = signature.return_annotation is not signature.empty
    if not returns and not name.endswith("__init__"):
        yield f"{name}: what it returns"


def test_what_has_no_annotation_is_found():
    class Values:
        __module__ = "keras_seg.example"

        def __init__(self, size):
            pass

        def both(self, first: int, *args, second=None):
            pass

        def _hidden(self, x):
            pass

    found = [
        line
        for name, function in functions_of("Values", Values)
        for line in missing(name, function)
    ]
    assert found == [
        "Values.__init__: size",
        "Values.both: second",
        "Values.both: what it returns",
    ]


@pytest.mark.once
@pytest.mark.parametrize("room", ROOMS)
def test_what_a_room_exports_is_annotated(room):
    path = f"keras_seg.{room}".rstrip(".")
    module = importlib.import_module(path)
    found = {
        line
        for name in module.__all__
        if not isinstance(getattr(module, name), types.ModuleType)
        for qualified, function in functions_of(name, getattr(module, name))
        for line in missing(qualified, function)
    }
    assert not found, "\n".join(sorted(found))
