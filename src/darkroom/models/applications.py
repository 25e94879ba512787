"""Networks of `keras.applications`: the trunk, our scaling before it and our head behind it."""

from __future__ import annotations

import functools

import numpy as np

from darkroom.backend import keras
from darkroom.errors import RecipeError
from darkroom.models.architecture import Architecture, Network
from darkroom.models.head import with_pretrained_head
from darkroom.models.layers import gelu, image_input, penalty
from darkroom.models.trunks import TRUNKS, Style, Trunk

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet in 0..1
_CAFFE_MEAN = (103.939, 116.779, 123.68)  # of ImageNet in 0..255, blue first


def _network(trunk: Trunk) -> Network:
    return Network(
        name=trunk.name,
        version=trunk.version,
        build=functools.partial(_build, trunk),
        parameters=trunk.parameters + 2 * trunk.features,  # of each a mean and a variance
        input_px=trunk.px,
        smallest_px=trunk.smallest_px,
        scaling="signed" if trunk.style == "signed" else "bytes",
        source=trunk.source,
        says=trunk.says,
    )


def _build(trunk: Trunk, architecture: Architecture) -> keras.Model:
    _refuse_settings(trunk, architecture)
    image = image_input(architecture)
    colour = image if architecture.channels == 3 else keras.layers.Concatenate()([image] * 3)
    width = {"alpha": architecture.width_factor} if trunk.features_at else {}
    base = getattr(keras.applications, trunk.application)(
        input_tensor=_scaled(colour, trunk.style),
        include_top=False,
        weights=None,
        **width,
        **trunk.options,
    )
    for weight in base.trainable_weights:
        if weight.name.endswith("kernel"):
            weight.regularizer = penalty(architecture)
    _make_exportable(base)
    return keras.Model(image, with_pretrained_head(base.output, architecture), name=trunk.name)


def _make_exportable(base: keras.Model) -> None:
    """Put into some layers what ONNX has in place of what it has not; the numbers are the same.

    Keras 3.15 compiles a convolution in groups by XLA on a processor, its gelu uses an erfc that
    tf2onnx 1.17 does not know (both ConvNeXt), and the statistics of its normalization would
    become inputs of the exported network (EfficientNet). May go when all three can be exported.
    """
    for layer in base.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.groups > 1:
            layer.convolution_op = functools.partial(_convolve_each, layer)
        elif getattr(layer, "activation", None) is keras.activations.gelu:
            layer.activation = gelu
        elif isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)


def _convolve_each(
    layer: keras.layers.Conv2D, inputs: keras.KerasTensor, kernel: keras.KerasTensor
) -> keras.KerasTensor:
    each = keras.ops.swapaxes(kernel, 2, 3)
    return keras.ops.depthwise_conv(inputs, each, layer.strides, layer.padding)


def _refuse_settings(trunk: Trunk, architecture: Architecture) -> None:
    """Refuse what would be silently without effect.

    Raises:
        RecipeError: The trunk has one width, or its own activations.
    """
    if architecture.activation is not None:
        raise RecipeError(
            f"{trunk.name} brings its own activations: activation = {architecture.activation} "
            "cannot be put in their place",
            hint="leave activation out, or --set model=resnet18",
        )
    if architecture.width_factor != 1 and trunk.features_at is None:
        raise RecipeError(
            f"{trunk.name} comes in one width only, not in width = {architecture.width_factor:g}",
            hint="--set width=1, or --set model=mobilenet_v2",
        )


def _scaled(image: keras.KerasTensor, style: Style) -> keras.KerasTensor:
    """Scale pixels as the trunk was trained on them.

    In float32 at any precision: bfloat16 would lose levels. What the Preprocess does already
    (`signed`) is left alone; all others take 0..255.
    """
    if style == "signed":
        return image
    scale: tuple[float, ...] = (1.0, 1.0, 1.0)
    if style == "caffe":
        image, offset = image[..., ::-1], tuple(-mean for mean in _CAFFE_MEAN)
    elif style == "v2":
        scale, offset = (1 / 128,) * 3, (-1.0,) * 3
    else:
        full = 255.0 if style == "v1" else 1.0  # EfficientNet divides by 255 once more
        scale = tuple(full / 255 / std for std in _STD)
        offset = tuple(-full * mean / std for mean, std in zip(_MEAN, _STD, strict=True))
    return keras.layers.Rescaling(scale, offset, dtype="float32", name="scaled")(image)


APPLICATIONS = tuple(map(_network, TRUNKS.values()))
