"""A trunk on ONNX Runtime: half the time per image, after two seconds of conversion or more.

What was converted is kept; with it, neither Keras nor the weights are needed any more.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

from darkroom.disk import write_file
from darkroom.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float

    from darkroom.backend import keras

    See = Callable[
        [Float[np.ndarray, "images height width channels"]], Float[np.ndarray, "images features"]
    ]


def convert_trunk(trunk: keras.Model, path: Path) -> None:
    """Write a trunk as ONNX, whole or not at all; needs Keras on TensorFlow.

    Keras' own `export` lets tf2onnx 1.17 optimize the graph, which is about half of its
    time; ONNX Runtime does the same work when it loads a file, and answers as fast without it.

    Raises:
        ArtifactError: The disk is full.
    """
    import tensorflow as tf
    from tf2onnx.tf_loader import from_function
    from tf2onnx.tfonnx import process_tf_graph

    images = tf.TensorSpec((None, *trunk.input_shape[1:]), tf.float32, name="images")
    answer = tf.function(lambda shown: trunk(shown, training=False), input_signature=[images])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of their use of NumPy
        traced = answer.get_concrete_function()
        inputs, outputs = (
            [tensor.name for tensor in tensors if tensor.dtype != tf.resource]
            for tensors in (traced.inputs, traced.outputs)
        )
        with tf.device("/cpu:0"):
            frozen = from_function(traced, inputs, outputs)
            with tf.Graph().as_default() as graph:
                tf.import_graph_def(frozen, name="")
                whole = process_tf_graph(graph, input_names=inputs, output_names=outputs)
                written = whole.make_model(trunk.name).SerializeToString()
    write_file(path, written)


def open_converted(path: Path) -> See:
    """Open a trunk that was written as ONNX.

    Args:
        path: What `convert_trunk` wrote.

    Returns:
        A function from scaled images to their features, float32.

    Raises:
        ArtifactError: The file is damaged.
    """
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as broken:
        raise ArtifactError(f"{path} cannot be loaded: {broken}", hint=f"rm {path}") from broken
    name = session.get_inputs()[0].name
    return lambda images: np.asarray(session.run(None, {name: images})[0])
