"""TensorFlow on its target: files are little-endian, and numbers are those of other machines."""

import struct
import tempfile
import unittest
from pathlib import Path

import numpy as np
import tensorflow as tf


class Doubler(tf.Module):
    """A variable and a constant, so that both are in the file."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = tf.Variable([1.0, -2.5], dtype=tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([2], tf.float32)])
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x * tf.constant([2.0, 4.0]) + self.bias


class Files(unittest.TestCase):
    """What is written and read."""

    def test_tensor_content_of_another_machine(self) -> None:
        """It is what the writer's memory held, and a SavedModel's are little-endian."""
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(Doubler(), folder)
            graph = Path(folder, "saved_model.pb").read_bytes()
            self.assertIn(struct.pack("<2f", 2.0, 4.0), graph)
            found = tf.saved_model.load(folder)(tf.constant([1.0, 1.0]))
        np.testing.assert_array_equal(found, [3.0, 1.5])

    def test_bytes_become_numbers_in_the_order_asked_for(self) -> None:
        little = tf.io.decode_raw(b"\x01\x00\x00\x00", tf.int32, little_endian=True)
        big = tf.io.decode_raw(b"\x00\x00\x00\x01", tf.int32, little_endian=False)
        np.testing.assert_array_equal([little, big], [[1], [1]])


class Numbers(unittest.TestCase):
    """What is computed."""

    def test_products_and_convolutions(self) -> None:
        chance = np.random.Generator(np.random.PCG64(2026))
        one, two = (chance.standard_normal((17, 17)).astype(np.float32) for _ in range(2))
        np.testing.assert_allclose(tf.matmul(one, two), one @ two, 1e-5, 1e-5)
        image = chance.integers(0, 9, (1, 5, 5, 1)).astype(np.float32)
        summed = tf.nn.conv2d(image, tf.ones((3, 3, 1, 1)), 1, "VALID")
        self.assertEqual(float(summed[0, 0, 0, 0]), float(image[0, :3, :3, 0].sum()))

    def test_stateless_numbers_are_those_of_other_machines(self) -> None:
        """What tensorflow-cpu 2.20.0 gives on amd64."""
        found = tf.random.stateless_uniform([4], [1, 2], 0, 1000, tf.int32, alg="philox")
        np.testing.assert_array_equal(found, [140, 849, 294, 179])


if __name__ == "__main__":
    unittest.main()
