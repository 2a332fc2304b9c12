"""Storage of models: checkpoints, curves, pickles and arrays."""
