"""Reading, copying and rebuilding the graph of a functional model."""

import contextlib

import keras
from keras import layers
from keras import ops

from keras_seg.fast.convolution import laid_out_as
from keras_seg.keras_private import input_structure
from keras_seg.keras_private import run_through_graph
from keras_seg.layers.base import nested_layers
from keras_seg.layers.metadata import Metadata
from keras_seg.ops.backend import spatial_axes
from keras_seg.ops.backend import standardize_data_format

__all__ = [
    "CONVOLUTIONS",
    "Copier",
    "check_plain",
    "copy_model",
    "data_format_of",
    "declared_pyramid",
    "dtype_policy_of",
    "functional",
    "has_own_call",
    "rebuild",
    "tensors",
    "values_of",
    "with_outputs",
]

CONVOLUTIONS = (
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
)

# What a subclass can override without computing something else.
PLAIN = (
    "__annotations__",
    "__dict__",
    "__doc__",
    "__firstlineno__",
    "__init__",
    "__module__",
    "__static_attributes__",
    "__weakref__",
    "from_config",
    "get_config",
)


def functional(model):
    """Returns the functional model that `model` is.

    Args:
        model: a functional or a built sequential `keras.Model`.

    Raises:
        ValueError: If it has no graph of layers.
    """
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if isinstance(model, keras.Model) and hasattr(model, "operations"):
        return model
    raise ValueError(
        "Surgery needs a functional Keras model (or a built sequential one): "
        "a model with a graph of layers. A subclassed model has none. "
        f"Received: model={model!r} of type {type(model).__name__}"
    )


def values_of(kind, *structures):
    """Returns the values of a class among the arguments of a call."""
    found = keras.tree.flatten(structures)
    return [value for value in found if isinstance(value, kind)]


def tensors(*structures):
    """Replaces values by their `tensor`, in the arguments of a call."""
    return keras.tree.map_structure(_tensor, structures)


def has_own_call(operation):
    """Whether a layer's class, outside of Keras, computes something of its own.

    A class that extends one of Keras or of this package and overrides only its
    constructor and config does not.
    """
    for cls in type(operation).__mro__:
        if cls.__module__.split(".")[0] in ("keras", "keras_seg"):
            return False
        for name in vars(cls):
            known = any(hasattr(base, name) for base in cls.__bases__)
            if known and name not in PLAIN:
                return True
    return False


def data_format_of(model):
    """Returns the data format that the layers of a model work in."""
    for layer in model.layers:
        if getattr(layer, "data_format", None) is not None:
            return layer.data_format
    return standardize_data_format(None)


@contextlib.contextmanager
def dtype_policy_of(model):
    """Gives new layers the dtype policy of the first layer with weights."""
    before = keras.config.dtype_policy()
    for layer in nested_layers(model)[1:]:
        if layer.weights and not isinstance(layer, keras.Model):
            keras.config.set_dtype_policy(layer.dtype_policy)
            break
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def declared_pyramid(model):
    """Returns the maps that a model names in `pyramid_outputs`, or none.

    Returns:
        A dict from name to tensor, such as `{"P2": …, "P3": …}` of the
        backbones of keras-hub.
    """
    declared = getattr(model, "pyramid_outputs", None)
    return dict(declared) if isinstance(declared, dict) else {}


def with_outputs(model, outputs):
    """Returns a model of the same graph with other outputs."""
    ended = keras.Model(model.inputs, outputs, name=model.name)
    return _declare(ended, declared_pyramid(model))


def _declare(model, maps):
    if maps:
        model.pyramid_outputs = maps
    return model


class Copier:
    """Copies the operations of a model, each once, and then their weights.

    Args:
        new_weights: bool, whether copies draw new weights. Defaults to False:
            they are zero until `copy_weights` is called.
    """

    def __init__(self, new_weights=False):
        self._new_weights = new_weights
        self._copies = {}
        self._initializers = []

    def copy(self, operation, layer_class=None, adapt=None, **changes):
        """Returns a copy of an operation with some of its config changed.

        Args:
            operation: a layer or an operation such as `+`.
            layer_class: class of the copy. Defaults to the operation's own.
            adapt: function from the arrays of the layer's weights to those
                of the copy. Defaults to None, the same weights.
            **changes: values of its config.

        Raises:
            ValueError: If the operation was copied before with other changes,
                or if it is quantized or has low-rank (LoRA) weights.
        """
        check_plain(operation)
        layer_class = layer_class or type(operation)
        key = (layer_class, repr(sorted(changes.items())))
        if id(operation) not in self._copies:
            if isinstance(operation, keras.Model):
                copy = copy_model(operation)
            elif layer_class is type(operation):
                copy = _copy_of(operation, changes)
            else:
                copy = layer_class.from_config(changes)
            if not self._new_weights:
                self._draw_nothing(copy)
            self._copies[id(operation)] = (key, operation, copy, adapt)
        first_key, _, copy, _ = self._copies[id(operation)]
        if first_key != key:
            raise ValueError(
                f"The layer '{operation.name}' is used twice, at places that "
                "need different geometry; its weights can't serve both."
            )
        return copy

    def _draw_nothing(self, copy):
        """Starts from zeros: random weights of a VGG16 take seconds."""
        for name, initializer in list(vars(copy).items()):
            if isinstance(initializer, keras.initializers.Initializer):
                self._initializers.append((copy, name, initializer))
                setattr(copy, name, keras.initializers.Zeros())

    def copy_weights(self):
        """Gives every copy the weights of its original.

        A kernel whose copy has another shape of the same size, such as that
        of a dense layer which became a convolution, is reshaped.
        """
        for _, original, copy, adapt in self._copies.values():
            if adapt is not None:
                copy.set_weights(adapt(original.get_weights()))
                continue
            sources = getattr(original, "weights", ())
            targets = getattr(copy, "weights", ())
            if len(sources) != len(targets):
                raise ValueError(
                    f"The layer '{original.name}' ({type(original).__name__}) "
                    f"has {len(sources)} weights, its copy {len(targets)}: "
                    "what it was made with is not all in its `get_config()`."
                )
            for source, target in zip(sources, targets, strict=True):
                # A true copy: JAX gives the memory of a variable away.
                value = ops.copy(ops.convert_to_tensor(source))
                value = ops.reshape(value, target.shape)
                target.assign(laid_out_as(value, target))
                # Parts that a layer makes when it is built forget it.
                target.trainable = source.trainable
        for copy, name, initializer in self._initializers:
            setattr(copy, name, initializer)


def _copy_of(operation, changes):
    """A new operation of the same class, and the same config but for changes.

    Raises:
        ValueError: If its config does not make one, as that of a layer with a
            function that is not registered.
    """
    try:
        config = {**operation.get_config(), **changes}
        return type(operation).from_config(config)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"The layer '{operation.name}' ({type(operation).__name__}) can't "
            "be copied: `from_config` does not take what its `get_config` "
            f"gives, and a saved model of it could not be loaded either. "
            f"({type(error).__name__}: {reason})"
        ) from error


def check_plain(layer):
    """Refuses layers that are quantized or have low-rank (LoRA) weights."""
    policy = getattr(layer, "dtype_policy", None)
    if isinstance(policy, keras.dtype_policies.QuantizedDTypePolicy):
        what, fix = "quantized", "quantize the network that surgery makes"
    elif getattr(layer, "lora_enabled", False):
        what = "trained by low rank (LoRA)"
        fix = (
            "load its merged kernel into a network without LoRA (`save` and "
            "the layer's `kernel` have the sum), then operate on that"
        )
    else:
        return
    raise ValueError(
        f"The layer '{layer.name}' ({type(layer).__name__}) is {what}, which "
        f"surgery does not carry: {fix}. Received: dtype policy "
        f"{getattr(policy, 'name', None)!r}"
    )


def copy_model(model, input_tensor=None, class_of=type, reached=None):
    """Copies a functional model, its weights too, for inputs of any size.

    Args:
        model: functional `keras.Model`.
        input_tensor: tensor to build upon. Defaults to an input of any size.
        class_of: function from an operation to the class of its copy, with
            the same config. Defaults to the operation's own class.
        reached: see `rebuild`.

    Returns:
        A `keras.Model` of the same name and layer names.
    """
    copier = Copier()

    def call(operation, *args, **kwargs):
        layer_class, config = class_of(operation), {}
        if layer_class is not type(operation):
            config = operation.get_config()
        return copier.copy(operation, layer_class, **config)(*args, **kwargs)

    return rebuild(
        model, lambda x: x, call, copier, input_tensor, reached=reached
    )


def rebuild(
    model,
    start,
    call,
    copier,
    input_tensor=None,
    any_size=True,
    reached=None,
):
    """Rebuilds a functional model with other layers and the same weights.

    Args:
        model: a functional `keras.Model`.
        start: function from a new input tensor to the value passed to `call`:
            a tensor, or an object with one as `.tensor`.
        call: see `keras_seg.keras_private.run_through_graph`.
        copier: the `Copier` with which `call` copies layers.
        input_tensor: tensor to build upon. Defaults to a new input.
        any_size: bool, whether the new input takes images of any size rather
            than of the size that `model` takes. Defaults to True.
        reached: dict to fill, from the id of a tensor of `model` to the value
            that stands for it, for `keras_seg.surgery.verification.verify`.

    Returns:
        A `keras.Model` of the same name, with the `pyramid_outputs` of
        `model`. With an `input_tensor` it is a part of another network, and
        the `Metadata` of `model` is left out.
    """
    if input_tensor is None:
        data_format = data_format_of(model)
        tensors = [
            _input_like(tensor, data_format, any_size)
            for tensor in model.inputs
        ]
        inputs = tensors
    else:
        tensors = [input_tensor]
        inputs = keras.utils.get_source_inputs(input_tensor)
    if len(tensors) != len(model.inputs):
        raise ValueError(
            f"The model '{model.name}' has {len(model.inputs)} inputs; a "
            "network on one image is made of a model with one input. Cut it "
            "first: `keras.Model(image, features)`."
        )
    model = functional(model)
    reached = {} if reached is None else reached

    def call_and_keep(operation, *args, **kwargs):
        if input_tensor is not None and isinstance(operation, Metadata):
            values = args[0]
        else:
            try:
                values = call(operation, *args, **kwargs)
            except ValueError:
                raise
            except Exception as error:  # Of a stranger's layer.
                reason = " ".join(str(error).split())[:200]
                raise ValueError(
                    f"The layer '{operation.name}' "
                    f"({type(operation).__name__}) does not take a map of any "
                    f"size. ({type(error).__name__}: {reason})"
                ) from error
        for tensor, value in zip(
            keras.tree.flatten(operation.output),
            keras.tree.flatten(values),
            strict=True,
        ):
            reached.setdefault(id(tensor), value)
        return values

    with dtype_policy_of(model):
        values = run_through_graph(
            model, [start(tensor) for tensor in tensors], call_and_keep
        )
    outputs = keras.tree.map_structure(_tensor, values)
    if input_tensor is None or inputs == [input_tensor]:
        inputs = keras.tree.pack_sequence_as(input_structure(model), inputs)
    elif len(inputs) == 1:
        inputs = inputs[0]
    rebuilt = keras.Model(inputs, outputs, name=model.name)
    copier.copy_weights()
    maps = {
        name: _tensor(reached[id(tensor)])
        for name, tensor in declared_pyramid(model).items()
        if id(tensor) in reached
    }
    return _declare(rebuilt, maps)


def _tensor(value):
    return getattr(value, "tensor", value)


def _input_like(tensor, data_format, any_size):
    """A new input like `tensor`, of its height and width or of any."""
    shape = list(tensor.shape)
    if len(shape) == 4 and any_size:
        for axis in spatial_axes(data_format):
            shape[axis] = None
    return keras.Input(batch_shape=shape, dtype=tensor.dtype, name=tensor.name)
