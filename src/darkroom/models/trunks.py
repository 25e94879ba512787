"""The trunks of `keras.applications`, one record each, with the address of their published weights.

Nothing here imports Keras: what a trunk has seen can be looked up without building it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

# What the pixels become before the first convolution. signed: -1..1; caffe: blue, green, red
# minus their means on ImageNet; torch: 0..1, minus mean, over standard deviation;
# v1: torch, and 255 times that, because EfficientNet divides by 255 itself; v2: x / 128 - 1.
Style = Literal["signed", "caffe", "torch", "v1", "v2"]

_TENSORFLOW = "https://storage.googleapis.com/tensorflow/keras-applications"
_KERAS = "https://storage.googleapis.com/keras-applications"


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """Weights without the top that Keras offers for download."""

    address: str
    checksum: str = ""  # MD5 or SHA-256 in hex, as Keras checks it; empty where Keras has none
    numbers: int | None = None  # in the file; where known for every width, they tell it

    @property
    def file(self) -> str:
        """The name under which Keras keeps the file."""
        return self.address.rpartition("/")[2]


class Trunk(msgspec.Struct, frozen=True, kw_only=True):
    """What is particular to one network of `keras.applications`."""

    name: str  # in the catalog
    application: str  # in keras.applications
    style: Style
    px: int  # the side it is at its best at, here
    smallest_px: int = 32  # Keras' own limit
    features: int  # numbers per image, at width 1
    features_at: Callable[[float], int] | None = None  # the same at another width; None: only 1
    parameters: int  # with a head for 10 classes
    version: int = 1  # raised whenever the same weights would give other features
    options: dict[str, object] = {}  # for keras.applications
    published: dict[float, Published]  # by width
    source: str
    says: str

    def count_features(self, width: float) -> int:
        """Say how many numbers describe an image."""
        return self.features_at(width) if self.features_at else self.features


def _eights(count: float) -> int:
    """Round a number of filters to a multiple of 8, as MobileNets V2 and V3 do."""
    rounded = max(8, int(count + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * count else rounded


def _mobilenet_v3(
    name: str, features: int, parameters: int, numbers: dict[float, int], says: str
) -> Trunk:
    size = name.rpartition("_")[2]
    checksums = {
        ("small", 0.75): "ebdb5cc8e0b497cd13a7c275d475c819",
        ("small", 1.0): "d3e8ec802a04aa4fc771ee12a9a9b836",
        ("large", 0.75): "40af19a13ebea4e2ee0c676887f69a2e",
        ("large", 1.0): "07fb09a5933dd0c8eaafa16978110389",
    }
    folder = f"{_TENSORFLOW}/mobilenet_v3/weights_mobilenet_v3_{size}_224"
    return Trunk(
        name=name,
        application=f"MobileNetV3{size.title()}",
        style="signed",
        px=224,
        features=features,
        features_at=lambda width: _eights(6 * _eights(features / 6 * width)),
        parameters=parameters,
        options={"include_preprocessing": False},
        published={
            width: Published(
                address=f"{folder}_{width}_float_no_top_v2.h5",
                checksum=checksums[size, width],
                numbers=count,
            )
            for width, count in numbers.items()
        },
        source="Howard et al. 2019, arXiv:1905.02244",
        says=says,
    )


def _efficientnet(size: str, px: int, features: int, parameters: int, checksum: str) -> Trunk:
    return Trunk(
        name=f"efficientnet_{size}",
        application=f"EfficientNet{size.title()}",
        style="v1",
        px=px,
        features=features,
        parameters=parameters,
        published={
            1.0: Published(address=f"{_KERAS}/efficientnet{size}_notop.h5", checksum=checksum)
        },
        source="Tan and Le 2019, arXiv:1905.11946",
        says=f"more accuracy per parameter, at {px} px; slow on a plain processor",
    )


def _efficientnet_v2(size: str, px: int, parameters: int, checksum: str) -> Trunk:
    file = "efficientnetv2-" + size
    return Trunk(
        name=f"efficientnet_v2_{size}",
        application=f"EfficientNetV2{size.title()}",
        style="v2" if size == "s" else "torch",
        px=px,
        features=1280,
        parameters=parameters,
        options={"include_preprocessing": False},
        published={
            1.0: Published(
                address=f"{_TENSORFLOW}/efficientnet_v2/{file}_notop.h5", checksum=checksum
            ),
        },
        source="Tan and Le 2021, arXiv:2104.00298",
        says=f"EfficientNet that trains faster, at {px} px",
    )


def _plain_name(folder: str, name: str, checksum: str) -> dict[float, Published]:
    file = f"{name}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    return {1.0: Published(address=f"{_TENSORFLOW}/{folder}/{file}", checksum=checksum)}


_ALL = (
    Trunk(
        name="mobilenet",
        application="MobileNet",
        style="signed",
        px=224,
        features=1024,
        features_at=lambda width: int(1024 * width),
        parameters=3_239_114,
        published={
            width: Published(
                address=f"{_TENSORFLOW}/mobilenet/mobilenet_{text}_224_tf_no_top.h5", numbers=count
            )
            for width, text, count in (
                (0.25, "2_5", 218_544),
                (0.5, "5_0", 829_536),
                (0.75, "7_5", 1_832_976),
                (1.0, "1_0", 3_228_864),
            )
        },
        source="Howard et al. 2017, arXiv:1704.04861",
        says="the first MobileNet: plain, quick, in four widths",
    ),
    Trunk(
        name="mobilenet_v2",
        application="MobileNetV2",
        style="signed",
        px=224,
        features=1280,
        features_at=lambda width: _eights(1280 * max(width, 1.0)),
        parameters=2_270_794,
        published={
            width: Published(
                address=f"{_TENSORFLOW}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_"
                f"{width}_224_no_top.h5",
                numbers=count,
            )
            for width, count in (
                (0.35, 410_208),
                (0.5, 706_224),
                (0.75, 1_382_064),
                (1.0, 2_257_984),
                (1.3, 3_766_048),
                (1.4, 4_363_712),
            )
        },
        source="Sandler et al. 2018, arXiv:1801.04381",
        says="the default for photographs: small, quick and hard to beat on two cores",
    ),
    _mobilenet_v3(
        *("mobilenet_v3_small", 576, 944_890, {0.75: 583_160, 1.0: 939_120}),
        "the quickest trunk of all",
    ),
    _mobilenet_v3(
        *("mobilenet_v3_large", 960, 3_005_962, {0.75: 1_808_736, 1.0: 2_996_352}),
        "MobileNetV2's successor",
    ),
    _efficientnet("b0", 224, 1280, 4_062_381, "50bc09e76180e00e4465e1a485ddc09d"),
    _efficientnet("b1", 240, 1280, 6_588_049, "74c4e6b3e1f6a1eea24c589628592432"),
    _efficientnet("b2", 260, 1408, 7_782_659, "111f8e2ac8aa800a7a99e3239f7bfb39"),
    _efficientnet("b3", 300, 1536, 10_798_905, "af6d107764bb5b1abb91932881670226"),
    _efficientnet_v2("b0", 224, 5_932_122, "893217f2bb855e2983157299931e43ff"),
    _efficientnet_v2("s", 300, 20_344_170, "af0682fb74e8c54910f2d4393339c070"),
    Trunk(
        name="resnet50",
        application="ResNet50",
        style="caffe",
        px=224,
        features=2048,
        parameters=23_608_202,
        published=_plain_name("resnet", "resnet50", "4d473c1dd8becc155b73f8504c6f6626"),
        source="He et al. 2015, arXiv:1512.03385",
        says="fifty layers with shortcuts: what everything is compared with",
    ),
    Trunk(
        name="vgg16",
        application="VGG16",
        style="caffe",
        px=224,
        features=512,
        parameters=14_719_818,
        published=_plain_name("vgg16", "vgg16", "6d6bbae143d832006294945121d1f1fc"),
        source="Simonyan and Zisserman 2014, arXiv:1409.1556",
        says="plain 3x3 convolutions, slow and easy to understand",
    ),
    Trunk(
        name="vgg19",
        application="VGG19",
        style="caffe",
        px=224,
        features=512,
        parameters=20_029_514,
        published=_plain_name("vgg19", "vgg19", "253f8cb515780f3b799900260a226db6"),
        source="Simonyan and Zisserman 2014, arXiv:1409.1556",
        says="vgg16 with three layers more",
    ),
    Trunk(
        name="inception_v3",
        application="InceptionV3",
        style="signed",
        px=299,
        smallest_px=75,
        features=2048,
        parameters=21_823_274,
        published=_plain_name("inception_v3", "inception_v3", "bcbd6486424b2319ff4ef7d526e38f63"),
        source="Szegedy et al. 2015, arXiv:1512.00567",
        says="convolutions of several sizes side by side",
    ),
    Trunk(
        name="xception",
        application="Xception",
        style="signed",
        px=299,
        smallest_px=71,
        features=2048,
        parameters=20_881_970,
        published=_plain_name("xception", "xception", "b0042744bf5b25fce3cb969f33bebb97"),
        source="Chollet 2016, arXiv:1610.02357",
        says="inception taken to its end: depthwise convolutions all the way",
    ),
    Trunk(
        name="densenet121",
        application="DenseNet121",
        style="torch",
        px=224,
        features=1024,
        parameters=7_047_754,
        published=_plain_name("densenet", "densenet121", "30ee3e1110167f948a6b9946edeeb738"),
        source="Huang et al. 2016, arXiv:1608.06993",
        says="every layer sees all before it: few parameters, much memory",
    ),
    Trunk(
        name="convnext_tiny",
        application="ConvNeXtTiny",
        style="torch",
        px=224,
        features=768,
        parameters=27_827_818,
        # Its last layer, a norm, comes after the pooling.
        options={"include_preprocessing": False, "pooling": "avg"},
        published={
            1.0: Published(
                address=f"{_TENSORFLOW}/convnext/convnext_tiny_notop.h5",
                checksum="d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
            )
        },
        source="Liu et al. 2022, arXiv:2201.03545",
        says="a convolutional network built like a transformer: the strongest here, and slow",
    ),
)

TRUNKS: dict[str, Trunk] = {trunk.name: trunk for trunk in _ALL}
