"""Checks before training: the gradient and the learning rate."""
