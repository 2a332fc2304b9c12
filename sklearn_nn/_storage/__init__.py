"""What a model keeps, and how it is stored: checkpoints, curves, pickles and arrays."""
