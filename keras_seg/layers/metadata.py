"""Facts about a network, stored in the network itself."""

import json
from typing import Any

import keras

__all__ = ["Metadata", "facts_of", "note"]


@keras.saving.register_keras_serializable(package="keras_seg")
class Metadata(keras.layers.Identity):
    """Passes the image on as it is, and carries facts about the network.

    It stands behind the input, so the facts are kept where the graph is: in
    saved files, in clones, by surgery, and in a `keras.Model` that ends
    earlier. It computes nothing and has no weights.

    Args:
        facts: dict of values that JSON can hold. The package writes
            `"backbone"`, the names of the layers that came from a backbone,
            `"strided"`, the network before strides were removed,
            `"class_table"`, names and colors of the classes, `"bit_depth"`
            and `"bands"` of the images. Defaults to none: nothing is known.
        **kwargs: of `keras.layers.Layer`.

    Example:

    >>> layer = Metadata({"backbone": ["conv1"]})
    >>> layer.facts = {**layer.facts, "strided": None}
    >>> layer.get_config()["facts"]
    {'backbone': ['conv1'], 'strided': None}
    """

    def __init__(self, facts: dict[str, Any] | None = None, **kwargs: Any):
        # Half precision would round the image here.
        super().__init__(autocast=False, **kwargs)
        self.facts = facts or {}

    @property
    def facts(self) -> dict[str, Any]:
        """A copy of the facts."""
        return json.loads(self._facts)

    @facts.setter
    def facts(self, facts: dict[str, Any]) -> None:
        # A string, since Keras would track the layers and lists of a dict.
        self._facts = json.dumps(facts)

    def get_config(self):
        return {**super().get_config(), "facts": self.facts}


def facts_of(model: keras.Model) -> dict[str, Any] | None:
    """Returns the facts of a model, None if it has no `Metadata`."""
    layer = _find(model)
    return None if layer is None else layer.facts


def note(model: keras.Model, **facts: Any) -> None:
    """Adds facts to those of a model, which must have a `Metadata`."""
    layer = _find(model)
    if layer is None:
        raise ValueError(f"The model '{model.name}' has no `Metadata` layer.")
    layer.facts = {**layer.facts, **facts}


def _find(model: keras.Model) -> Metadata | None:
    layers = getattr(model, "layers", ())
    return next((x for x in layers if isinstance(x, Metadata)), None)
