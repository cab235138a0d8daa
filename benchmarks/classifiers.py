"""Small classifiers of three packages, one of each kind: see backbones.py."""

import functools
import inspect

import keras

__all__ = ["NETWORKS"]


def application(name, size=96):
    """A network of keras.applications, of its own width."""

    def build(head):
        options = {"include_preprocessing": False}
        builder = getattr(keras.applications, name)
        if "include_preprocessing" not in inspect.signature(builder).parameters:
            options = {}
        if head:
            options |= {"classes": 5, "classifier_activation": None}
        return builder(
            weights=None,
            include_top=head,
            input_shape=(size, size, 3),
            **options,
        )

    return build


def hub(name, size=64, **config):
    """A backbone of keras-hub, and its `ImageClassifier`."""

    def build(head):
        import keras_hub

        backbone_class = getattr(keras_hub.models, name)
        parameters = inspect.signature(backbone_class.__init__).parameters
        shape = "image_shape" if "image_shape" in parameters else "input_shape"
        backbone = backbone_class(**{shape: (size, size, 3)}, **config)
        if not head:
            return backbone
        classifier = name.removesuffix("Backbone") + "ImageClassifier"
        kind = getattr(
            keras_hub.models, classifier, keras_hub.models.ImageClassifier
        )
        return kind(backbone=backbone, num_classes=5, preprocessor=None)

    return build


def zero(family, name, size=64, **config):
    """A network of zeromodels."""

    def build(head):
        module = __import__(f"zeromodels.models.{family}", fromlist=[name])
        part = "ImageClassify" if head else "Model"
        options = {"num_classes": 5} if head else {}
        return getattr(module, f"{name}{part}")(
            image_size=size, **options, **config
        )

    return build


def hub_resnet(pre_activation, block_type="bottleneck_block", stem=(7,)):
    return hub(
        "ResNetBackbone",
        input_conv_filters=[64] * len(stem),
        input_conv_kernel_sizes=list(stem),
        stackwise_num_filters=[64, 64, 64, 64],
        stackwise_num_blocks=[1, 1, 2, 1],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type=block_type,
        use_pre_activation=pre_activation,
    )


def hub_efficientnet(block_types, squeeze):
    return hub(
        "EfficientNetBackbone",
        stackwise_width_coefficients=[0.25] * 7,
        stackwise_depth_coefficients=[0.4] * 7,
        stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
        stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
        stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
        stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
        stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
        stackwise_squeeze_and_excite_ratios=[squeeze] * 7,
        stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
        stackwise_block_types=block_types,
        num_features=32,
    )


def hub_csp(stage_type, block_type, groups=1):
    return hub(
        "CSPNetBackbone",
        stem_filters=8,
        stem_kernel_size=7,
        stem_strides=4,
        stem_pooling="max",
        stackwise_depth=[1, 1, 1],
        stackwise_strides=[1, 2, 2],
        stackwise_num_filters=[8, 8, 16],
        block_type=block_type,
        stage_type=stage_type,
        groups=groups,
        bottle_ratio=[0.5],
        expand_ratio=[2],
    )


hub_mobilenet = functools.partial(
    hub,
    "MobileNetBackbone",
    stackwise_expansion=[[16, 16], [24], [32]],
    stackwise_num_blocks=[2, 1, 1],
    stackwise_num_filters=[[8, 8], [8], [16]],
    stackwise_kernel_size=[[3, 3], [3], [3]],
    stackwise_num_strides=[[2, 1], [2], [2]],
    stackwise_se_ratio=[[None, None], [None], [None]],
    stackwise_activation=[["relu6", "relu6"], ["relu6"], ["relu6"]],
    stackwise_padding=[[1, 1], [1], [1]],
    output_num_filters=32,
    depthwise_filters=8,
    depthwise_stride=2,
    depthwise_residual=False,
    last_layer_filter=32,
    input_num_filters=8,
)

hub_mobilenet_v5 = functools.partial(
    hub,
    "MobileNetV5Backbone",
    stackwise_block_types=[["er"], ["uir", "uir"]],
    stackwise_num_blocks=[1, 2],
    stackwise_num_filters=[[24], [48, 48]],
    stackwise_strides=[[2], [2, 1]],
    stackwise_act_layers=[["relu"], ["relu", "relu"]],
    stackwise_exp_ratios=[[4.0], [6.0, 6.0]],
    stackwise_se_ratios=[[0.0], [0.0, 0.0]],
    stackwise_dw_kernel_sizes=[[0], [5, 5]],
    **{
        f"stackwise_{key}": [[0], [0, 0]]
        for key in (
            *("dw_start_kernel_sizes", "dw_end_kernel_sizes", "num_heads"),
            *("key_dims", "value_dims", "kv_strides"),
        )
    },
    stackwise_exp_kernel_sizes=[[3], [0, 0]],
    stackwise_pw_kernel_sizes=[[1], [0, 0]],
    stackwise_use_cpe=[[False], [False, False]],
    use_msfa=False,
)

hub_hgnet = functools.partial(
    hub,
    "HGNetV2Backbone",
    depths=[1, 2, 2],
    embedding_size=16,
    hidden_sizes=[16, 32, 32],
    stem_channels=[3, 8, 16],
    hidden_act="relu",
    stackwise_stage_filters=[
        (16, 8, 16, 1, 1, 3),
        (16, 8, 32, 2, 1, 3),
        (32, 8, 32, 2, 1, 5),
    ],
    apply_downsample=[False, True, True],
    use_lightweight_conv_block=[False, False, True],
)

# In keras.applications, the larger ones of a family at the end.
FIRST = (
    *("VGG16", "VGG19", "ResNet50", "ResNet50V2", "MobileNet", "MobileNetV2"),
    *("MobileNetV3Small", "MobileNetV3Large", "DenseNet121", "InceptionV3"),
    *("Xception", "InceptionResNetV2", "EfficientNetB0", "EfficientNetV2B0"),
    *("EfficientNetV2S", "ConvNeXtTiny", "NASNetMobile"),
)
LARGER = (
    *("ResNet101", "ResNet152", "ResNet101V2", "ResNet152V2"),
    *("DenseNet169", "DenseNet201"),
    *(f"EfficientNetB{i}" for i in range(1, 8)),
    *(f"EfficientNetV2{x}" for x in ("B1", "B2", "B3", "M", "L")),
    *("ConvNeXtSmall", "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtXLarge"),
    "NASNetLarge",
)

NARROW = {"filters": (8, 8, 16, 16), "depths": (1, 1, 1, 1)}
STAGES = {"depths": (1, 1, 1, 1)}
TOKENS = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16}

NETWORKS = {
    **{f"applications {name}": application(name) for name in FIRST},
    "hub ResNet": hub_resnet(False),
    "hub ResNet, basic blocks": hub_resnet(False, "basic_block"),
    "hub ResNetV2": hub_resnet(True),
    "hub ResNet-vd": hub_resnet(False, "bottleneck_block_vd", (3, 3, 3)),
    "hub VGG": hub(
        "VGGBackbone",
        size=224,
        stackwise_num_repeats=[1] * 5,
        stackwise_num_filters=[4, 4, 6, 6, 8],
    ),
    "hub DenseNet": hub(
        "DenseNetBackbone", stackwise_num_repeats=[1, 2, 2, 1], growth_rate=4
    ),
    "hub Xception": hub(
        "XceptionBackbone",
        size=96,
        stackwise_conv_filters=[
            *([4, 6], [8, 8], [10, 10], [10, 10], [12, 12], [14, 14]),
        ],
        stackwise_pooling=[False, True, True, False, True, False],
    ),
    "hub EfficientNet": hub_efficientnet(["v1"] * 7, 0.25),
    "hub EfficientNetV2": hub_efficientnet(
        ["fused"] * 3 + ["unfused"] * 4, 0.25
    ),
    "hub EfficientNet-Lite": hub_efficientnet(["v1"] * 7, 0.0),
    "hub CSP-DarkNet": hub_csp("csp", "dark_block"),
    "hub CSP-ResNet": hub_csp("csp", "bottleneck_block"),
    "hub CSP-ResNeXt": hub_csp("csp", "bottleneck_block", 2),
    "hub DarkNet": hub_csp("dark", "dark_block"),
    "hub MobileNet": hub_mobilenet(),
    "hub MobileNetV5": hub_mobilenet_v5(),
    "hub HGNetV2": hub_hgnet(use_learnable_affine_block=False),
    "hub HGNetV2, affine": hub_hgnet(use_learnable_affine_block=True),
    "hub ViT": hub("ViTBackbone", patch_size=(16, 16), mlp_dim=32, **TOKENS),
    "hub DeiT": hub(
        "DeiTBackbone", patch_size=(16, 16), intermediate_dim=32, **TOKENS
    ),
    "hub DINOv2": hub(
        "DINOV2Backbone",
        size=56,
        patch_size=14,
        intermediate_dim=32,
        position_embedding_shape=(56, 56, 3),
        **TOKENS,
    ),
    "hub DINOv3": hub(
        "DINOV3Backbone", patch_size=16, intermediate_dim=32, **TOKENS
    ),
    "hub Swin": hub(
        "SwinTransformerBackbone",
        size=64,
        embed_dim=8,
        depths=(2, 2, 2, 2),
        num_heads=(1, 1, 2, 2),
        window_size=2,
    ),
    "hub MiT": hub(
        "MiTBackbone",
        layerwise_depths=[1, 1, 1, 1],
        num_layers=4,
        layerwise_num_heads=[1, 1, 2, 2],
        layerwise_sr_ratios=[8, 4, 2, 1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3, 3, 3],
        layerwise_strides=[4, 2, 2, 2],
        hidden_dims=[8, 8, 16, 16],
    ),
    "zeromodels ConvNeXt": zero(
        *("convnext", "ConvNeXt"),
        **STAGES,
        projection_dim=(8, 8, 16, 16),
        layer_scale_init=0.5,
    ),
    "zeromodels ConvNeXt V2": zero(
        "convnextv2", "ConvNeXtV2", **STAGES, projection_dim=(8, 8, 16, 16)
    ),
    "zeromodels InceptionNeXt": zero(
        *("inception_next", "InceptionNext"),
        **STAGES,
        num_filters=(16, 16, 32, 32),
    ),
    "zeromodels ConvMixer": zero(
        "convmixer", "ConvMixer", size=56, embed_dim=16, depth=2
    ),
    "zeromodels PoolFormer": zero(
        "poolformer", "PoolFormer", **STAGES, embed_dim=(8, 8, 16, 16)
    ),
    **{
        f"zeromodels RegNet{kind.upper()}": zero(
            *("regnet", "RegNet"),
            **STAGES,
            embedding_size=8,
            hidden_sizes=(8, 8, 16, 16),
            groups_width=8,
            layer_type=kind,
        )
        for kind in "yx"
    },
    "zeromodels ResNet": zero("resnet", "ResNet", **NARROW),
    "zeromodels ResNetV2": zero("resnetv2", "ResNetV2", depths=(1, 1, 1, 1)),
    "zeromodels ResNeXt": zero(
        *("resnext", "ResNeXt"), **STAGES, filters=(32, 32, 32, 32)
    ),
    "zeromodels SENet": zero("senet", "SENet", **NARROW),
    "zeromodels Res2Net": zero("res2net", "Res2Net", depth=(1, 1, 1, 1)),
    "zeromodels DenseNet": zero(
        *("densenet", "DenseNet"),
        depths=(1, 2, 2, 1),
        growth_rate=4,
        initial_filter=8,
    ),
    "zeromodels VGG-BN": zero(
        *("vgg", "VGG"),
        size=224,
        num_filters=[4, "M", 4, "M", 8, "M", 8, "M", 8, "M"],
        batch_norm=True,
    ),
    "zeromodels MobileNetV2": zero(
        "mobilenetv2", "MobileNetV2", width_multiplier=0.25
    ),
    "zeromodels MobileNetV3": zero(
        "mobilenetv3", "MobileNetV3", config="small", width_multiplier=0.5
    ),
    "zeromodels MobileNetV4": zero("mobilenetv4", "MobileNetV4"),
    "zeromodels MobileNetV4, hybrid": zero(
        "mobilenetv4", "MobileNetV4", config="hybrid_medium"
    ),
    "zeromodels EfficientNet": zero(
        *("efficientnet", "EfficientNet"),
        width_coefficient=0.25,
        depth_coefficient=0.4,
    ),
    "zeromodels EfficientNet-Lite": zero(
        *("efficientnet_lite", "EfficientNetLite"),
        depth_coefficient=0.4,
    ),
    "zeromodels EfficientNetV2": zero(
        *("efficientnetv2", "EfficientNetV2"),
        width_coefficient=0.25,
        depth_coefficient=0.3,
    ),
    **{
        f"zeromodels {name}": zero(name.lower(), name, size=96)
        for name in ("InceptionV3", "InceptionV4", "Xception")
    },
    "zeromodels Inception-ResNet": zero(
        "inception_resnetv2", "InceptionResNetV2", size=96
    ),
    "zeromodels MobileViT": zero("mobilevit", "MobileViT"),
    "zeromodels MobileViTV2": zero(
        "mobilevitv2", "MobileViTV2", multiplier=0.5
    ),
    "zeromodels EfficientFormer": zero(
        *("efficientformer", "EfficientFormer"),
        size=224,
        depths=(1, 1, 1, 2),
        embed_dim=(8, 16, 16, 16),
    ),
    "zeromodels NextViT": zero("nextvit", "NextViT"),
    "zeromodels MaxViT": zero(
        *("maxvit", "MaxViT"),
        size=64,
        **STAGES,
        stem_width=8,
        embed_dim=(8, 8, 16, 16),
        num_heads=(1, 1, 2, 2),
        window_size=2,
    ),
    **{
        f"zeromodels {name}": zero(
            *of,
            **STAGES,
            hidden_sizes=(8, 8, 16, 16),
            num_attention_heads=(1, 1, 2, 2),
        )
        for name, of in {
            "PVT": ("pvt", "Pvt"),
            "PVT v2": ("pvt_v2", "PvtV2"),
        }.items()
    },
    "zeromodels PiT": zero(
        "pit", "PiT", depth=(1, 1, 1), embed_dim=(16, 16, 32), heads=(1, 2, 2)
    ),
    "zeromodels ResMLP": zero("resmlp", "ResMLP", embed_dim=16, depth=2),
    "zeromodels MLP-Mixer": zero(
        "mlp_mixer", "MLPMixer", embed_dim=16, depths=2
    ),
    **{
        f"zeromodels {name}": zero(
            name.lower(), name, embed_dim=16, depth=2, num_heads=2
        )
        for name in ("ViT", "DeiT", "CaiT")
    },
    "zeromodels Swin": zero(
        *("swin", "Swin"),
        pretrain_size=64,
        window_size=2,
        embed_dim=8,
        depths=(2, 2, 2, 2),
        num_heads=(1, 1, 2, 2),
    ),
    "zeromodels MiT": zero("mit", "MiT", **STAGES, embed_dim=(8, 16, 20, 16)),
    **{f"applications {name}": application(name) for name in LARGER},
}
