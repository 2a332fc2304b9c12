"""Training without a learning rate: Newton steps for rows in memory, and for a stream."""
