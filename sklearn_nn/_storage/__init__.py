"""How models are stored and resumed: checkpoints, pickles and arrays."""
