"""Keras networks: architectures, model files and the set-up of Keras."""
