"""The training engine: arrays in, arrays out; it knows nothing of scikit-learn."""
