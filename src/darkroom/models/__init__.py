"""A name becomes a Keras model."""
