"""Training in epochs, with a learning rate on mini-batches; and L-BFGS on all rows."""
