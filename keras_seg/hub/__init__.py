"""Runs on the Hugging Face Hub: pushed with a model card, pulled by name.

A name such as `hf://user/name` or `hf://user/name@revision` stands wherever a
run folder does:

    keras_seg.hub.push("RUN", "user/name")
    run = keras_seg.runs.RunFolder.open("hf://user/name")

huggingface_hub, which the extra `[hub]` installs, is imported when it is used.
"""

from typing import TYPE_CHECKING

from keras_seg.lazy import getter

if TYPE_CHECKING:
    from keras_seg.hub.contents import published
    from keras_seg.hub.transfer import pull
    from keras_seg.hub.transfer import push

__all__ = ["published", "pull", "push"]

# `hub.names` is read before the command line has chosen a backend.
__getattr__ = getter(
    __name__,
    {"published": "contents", "pull": "transfer", "push": "transfer"},
)
