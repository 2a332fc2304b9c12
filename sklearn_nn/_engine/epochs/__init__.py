"""Training in epochs: steps of a learning rate on batches, and L-BFGS on all rows."""
