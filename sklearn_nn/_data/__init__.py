"""Validation and encoding of user input: arrays, labels and weights."""
