"""What is minimised: a network, its activations, losses and penalties."""
