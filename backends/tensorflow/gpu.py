"""What only a GPU is asked for, in TensorFlow."""

from __future__ import annotations

import tensorflow as tf

from backends.contract import Arrays


def resident(arrays: Arrays) -> dict[str, tf.Tensor]:
    """The arrays in the GPU's memory, once they are there: a step that is given them copies nothing."""
    with tf.device("/device:GPU:0"):
        # TensorFlow keeps int32 in the main memory, whatever the device: its kernels expect it there.
        there = {name: tf.constant(value) for name, value in arrays.items()}
    tf.test.experimental.sync_devices()
    return there


def peak_bytes() -> int | None:
    """The most of the GPU's memory that this process has had arrays in, in bytes; None where nobody counts."""
    try:
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    except ValueError:  # an allocator without statistics
        return None
