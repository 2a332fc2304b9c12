"""Plots of models and of their training."""
