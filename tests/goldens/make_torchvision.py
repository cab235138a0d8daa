"""Golden logits of torchvision's segmentation networks.

The weights are random (`tests/torchvision_oracle.py`); what is kept is the
shapes of the tensors and the logits. Any PyTorch will do:

    pip install torch numpy pytest
    pip install --no-deps torchvision==0.28.0
    python -m tests.goldens.make_torchvision
"""

import json
import pathlib

NETWORKS = {
    "fcn_resnet50": True,
    "deeplabv3_resnet50": True,
    "deeplabv3_mobilenet_v3_large": True,
    "lraspp_mobilenet_v3_large": False,
}
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


def main():
    import numpy as np

    from tests.torchvision_oracle import logits
    from tests.torchvision_oracle import network

    image = np.random.RandomState(0).randint(0, 256, (1, 33, 26, 3))
    arrays = {"image": image.astype("uint8")}
    for name, auxiliary in NETWORKS.items():
        model = network(name, classes=3, auxiliary=auxiliary)
        shapes = {
            key: tuple(tensor.shape)
            for key, tensor in model.state_dict().items()
            if tensor.ndim
        }
        arrays[f"{name}_shapes"] = np.array(json.dumps(shapes))
        outputs = logits(model, (image / 255 - MEAN) / DEVIATION)
        for number, output in enumerate(outputs):
            arrays[f"{name}_{number}"] = output
    path = pathlib.Path(__file__).with_name("torchvision.npz")
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main()
