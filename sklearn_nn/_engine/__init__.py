"""The training engine: arrays in, arrays out; without scikit-learn."""
