"""A convolution and its norm, which every residual network is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from darkroom.backend import keras
from darkroom.models.architecture import Architecture
from darkroom.models.layers import initializer, penalty
from darkroom.models.norms import FusedBatchNormalization
from darkroom.processor import has_instructions

_CORRELATION_OF_PLACES = 0.95  # of pixels side by side
_CORRELATION_OF_CHANNELS = 0.9
_CONTRAST = 0.5  # the standard deviation of pixels scaled to -1 .. 1
_NOISE = 1e-2  # the variance of what is too faint to be brought out
WHITENED = 3.0  # the deviation of an answer: large kernels turn slowly, and a norm takes it away


def convolve(
    features: keras.KerasTensor,
    architecture: Architecture,
    filters: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    start: keras.initializers.Initializer | None = None,
) -> keras.KerasTensor:
    """Add a convolution without a bias, because a norm follows.

    Args:
        features: Maps, `images height width channels`.
        architecture: Its width, its penalty, and what activation comes next.
        filters: At a width of 1.
        kernel: Places per side.
        stride: Places from one to the next.
        start: How the kernel begins; None: as suits the activation.
    """
    return FasterConv2D(
        architecture.units(filters),
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=start or initializer(architecture),
        kernel_regularizer=penalty(architecture),
    )(features)


def batch_norm(features: keras.KerasTensor, *, deviation: float = 1.0) -> keras.KerasTensor:
    """Add a batch norm whose moving averages follow a training of few steps.

    Args:
        features: Maps, `images height width channels`.
        deviation: Standard deviation of the features before the first step.
    """
    return FusedBatchNormalization(
        momentum=0.9, moving_variance_initializer=keras.initializers.Constant(deviation**2)
    )(features)


class FasterConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """Keras' convolution with the same weights and answers, and gradients that are faster had.

    They are convolutions too: the maps' gradient is that of the output under the kernel turned
    around, the kernel's is that of each input channel with the output's gradient, over all images.
    On a processor, oneDNN (TensorFlow 2.21) computes these faster than its own gradients: in
    bfloat16 the kernel's on grids of up to 8 x 8 places, 1.3 to 3 times; in float32 without
    AVX-512 the kernel's up to 1.5 times and the maps' up to 3 times.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: FBT001
        """Convolve."""
        if not (training and self.trainable and self._is_faster(inputs)):
            return super().call(inputs)
        import tensorflow as tf

        before = [(size - 1) // 2 for size in self.kernel_size]
        after = [size - 1 - lost for size, lost in zip(self.kernel_size, before, strict=True)]
        edges, turned = (
            [[0, 0], *zip(*ends, strict=True), [0, 0]]
            for ends in ((before, after), (after, before))
        )
        turns = inputs.dtype == "float32"

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def convolve(maps: Any, kernel: Any) -> tuple[Any, Any]:
            def gradients(above: Any) -> tuple[Any, Any]:
                if turns:
                    turned_kernel = tf.transpose(kernel[::-1, ::-1], [0, 1, 3, 2])
                    of_maps = tf.nn.conv2d(above, turned_kernel, 1, turned)
                else:
                    of_maps = tf.nn.conv2d_transpose(above, kernel, tf.shape(maps), 1)
                by_channel = tf.nn.conv2d(
                    tf.transpose(maps, [3, 1, 2, 0]), tf.transpose(above, [1, 2, 0, 3]), 1, edges
                )
                return of_maps, tf.transpose(by_channel, [1, 2, 0, 3])

            return tf.nn.conv2d(maps, kernel, 1, "SAME"), gradients

        return convolve(inputs, tf.convert_to_tensor(self.kernel))

    def _is_faster(self, inputs: Any) -> bool:
        """Whether the gradients are of the kind that convolutions compute faster."""
        if keras.backend.backend() != "tensorflow":
            return False
        import tensorflow as tf

        _, height, width, _ = inputs.shape
        return (
            height is not None
            and width is not None
            and height * width <= _largest_grid(inputs.dtype)
            and self.strides == self.dilation_rate == (1, 1)
            and (self.padding, self.groups, self.data_format) == ("same", 1, "channels_last")
            and not self.use_bias
            and self.activation is keras.activations.linear
            and not tf.config.list_logical_devices("GPU")
        )


def _largest_grid(precision: str) -> int:
    """Say up to how many places convolutions give the gradients faster; beyond, none was timed."""
    if precision == "bfloat16":
        return 8 * 8
    has_slow_gradients = has_instructions("avx2") and not has_instructions("avx512f")
    return 64 * 64 if precision == "float32" and has_slow_gradients else 0


class PatchWhitening(keras.initializers.Initializer):  # type: ignore[misc]
    """Kernels for pixels that answer equally strongly to all that a patch of an image may show.

    Neighbouring pixels are nearly the same, so kernels drawn at random nearly all measure
    brightness. These are the principal patterns of patches whose pixels and channels correlate as
    those of photographs do, each beside its negative, scaled to equal strength: no image is looked
    at. Where there are more kernels than patterns, the rest is drawn at random.

    Source: whitening of patches, Coates et al. 2011, and Jordan 2024, arXiv:2404.00498, who learns
    the patterns from the images; correlation of 0.95 between neighbours, Jain 1979.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Make kernels of `height width channels filters`."""
        height, width, channels, filters = shape
        rows, columns = (
            _CORRELATION_OF_PLACES ** np.abs(np.subtract.outer(np.arange(side), np.arange(side)))
            for side in (height, width)
        )
        colours = np.where(np.eye(channels), 1.0, _CORRELATION_OF_CHANNELS)
        covariance = _CONTRAST**2 * np.kron(np.kron(rows, columns), colours)
        variances, patterns = np.linalg.eigh(covariance)
        strongest = np.argsort(-variances, kind="stable")[: filters // 2]
        whitened = WHITENED * patterns[:, strongest] / np.sqrt(variances[strongest] + _NOISE)
        kernels = np.concatenate([whitened, -whitened], axis=1)
        kernels = kernels.reshape(height, width, channels, -1)
        missing = filters - kernels.shape[-1]
        if missing:
            drawn = keras.initializers.HeNormal()((height, width, channels, missing))
            kernels = np.concatenate([kernels, keras.ops.convert_to_numpy(drawn)], axis=-1)
        return keras.ops.convert_to_tensor(kernels, dtype=dtype or "float32")
