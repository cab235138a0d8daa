"""What holds for every builder, whatever it builds."""

import contextlib
import contextvars
import functools
import inspect
import re
from collections.abc import Callable
from typing import Any
from typing import ParamSpec

import keras

from keras_seg.layers.metadata import facts_of
from keras_seg.layers.metadata import note
from keras_seg.surgery import graph

__all__ = [
    "builder",
    "check_activation",
    "check_network",
    "distinct",
    "without_effect",
]

Arguments = ParamSpec("Arguments")
# Names of layers of the package that the backbone has as well.
_TAKEN: contextvars.ContextVar = contextvars.ContextVar(
    "taken", default=frozenset()
)


def builder(
    build: Callable[Arguments, keras.Model],
) -> Callable[Arguments, keras.Model]:
    """Decorates a builder of `keras_seg.applications`.

    * Layers added to a `backbone` or `classifier` given as a model have that
    model's dtype policy. * A layer of it whose name one of the package has too
    gets a prefix, see `distinct`. * Unknown arguments, an `input_shape` next
    to an `input_tensor`, and anything but True or False for an argument
    annotated as bool are refused. * The result knows which of its layers came
    from a backbone, if any.
    """

    signature = inspect.signature(build)

    @functools.wraps(build)
    def checked(*args, **kwargs):
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(
                f"{build.__name__}() {error}. It takes "
                f"{', '.join(signature.parameters)}, what follows `weights` "
                "by keyword"
            ) from None
        for name, value in given.items():
            switch = signature.parameters[name]
            if switch.annotation is bool and not isinstance(value, bool):
                raise ValueError(
                    f"`{name}` must be True or False. "
                    f"Received: {name}={value!r}"
                )
        if None not in (given.get("input_tensor"), given.get("input_shape")):
            raise ValueError(
                "`input_shape` is that of a new input: give it or "
                "`input_tensor`, which has a shape. Received: "
                f"input_shape={given['input_shape']}, "
                f"input_tensor={given['input_tensor']}"
            )
        rate = given.get("dropout", 0.0)
        if not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise ValueError(
                "`dropout` must be a number of at least 0 and below 1. "
                f"Received: dropout={rate!r}"
            )
        network = given.get("backbone", given.get("classifier"))
        policy: contextlib.AbstractContextManager = contextlib.nullcontext()
        if isinstance(network, keras.Model):
            policy = graph.dtype_policy_of(network)
        with policy:
            model = _with_names(build, args, kwargs)
        facts = facts_of(model)
        if facts is not None and "backbone" not in facts:
            note(model, backbone=[])
        return model

    return checked


def _with_names(
    build: Callable[..., keras.Model], args: tuple, kwargs: dict[str, Any]
) -> keras.Model:
    """Calls a builder, and again with another name where one is there twice."""
    taken: frozenset = frozenset()
    while True:
        token = _TAKEN.set(taken)
        try:
            return build(*args, **kwargs)
        except ValueError as error:
            found = re.search(r'The name "(.+)" is used \d+ times', str(error))
            if found is None:
                raise
            if found[1] in taken:
                raise ValueError(
                    f"A layer in front of `input_tensor` has the name "
                    f"'{found[1]}' of a layer of the network: give it "
                    "another one."
                ) from error
            taken |= {found[1]}
        finally:
            _TAKEN.reset(token)


def distinct(network: keras.Model, prefix: str = "backbone") -> keras.Model:
    """Prefixes the names of layers that layers around the network have too.

    Returns `network` itself if none of its names is taken.
    """
    taken = _TAKEN.get()
    if not taken & {operation.name for operation in network.operations}:
        return network
    copier = graph.Copier()

    def call(operation, *args, **kwargs):
        name = operation.name
        if name in taken:
            name = f"{prefix}_{name}"
        copy = copier.copy(operation, name=name)
        copy.name = name  # An inner model keeps its own in `copier`.
        return copy(*args, **kwargs)

    return graph.rebuild(network, lambda x: x, call, copier, any_size=False)


def check_network(network: keras.Model, name: str, data_format: str) -> None:
    """Refuses other inputs than one image, and another data format."""
    images = [x.shape for x in network.inputs if len(x.shape) == 4]
    if len(network.inputs) != 1 or len(images) != 1:
        shapes = [tuple(x.shape) for x in network.inputs]
        raise ValueError(
            f"`{name}` must have one input, of images. Several images can go "
            "through it one by one, or be the channels of one. Received: "
            f"{name}='{network.name}' with inputs of shapes {shapes}"
        )
    own = graph.data_format_of(network)
    if own != data_format:
        raise ValueError(
            f"`data_format` must be that of the layers of `{name}`, {own!r} "
            "(None reads the Keras setting). Received: "
            f"data_format={data_format!r}, {name}='{network.name}'"
        )


def check_activation(
    classes: int, activation: str | None, crf: str | None
) -> None:
    """Refuses a softmax of one class, and labels in front of a CRF."""
    if activation == "softmax" and classes == 1:
        raise ValueError(
            "A softmax of one class is 1 everywhere. Fix: "
            'classifier_activation=None or "sigmoid". Received: classes=1, '
            'classifier_activation="softmax"'
        )
    if activation == "sigmoid" and classes > 1 and crf is not None:
        raise ValueError(
            "A CRF gives each pixel one class, and the labels of a sigmoid do "
            f"not exclude each other: leave it out. Received: {classes=}, "
            f'classifier_activation="sigmoid", {crf=}'
        )


def without_effect(name: str, value: Any, default: Any, why: str) -> None:
    """Refuses a value other than the default that a builder would not use."""
    if value != default:
        raise ValueError(
            f"`{name}` has no effect {why}: leave it out. "
            f"Received: {name}={value!r}"
        )
