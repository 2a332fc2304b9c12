"""What can be checked before training: the gradient and the learning rate."""
