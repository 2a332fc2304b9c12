"""Training without a learning rate: Newton steps on rows in memory, and on a stream."""
