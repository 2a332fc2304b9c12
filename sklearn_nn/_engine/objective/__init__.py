"""The objective: network, activations, losses and penalties."""
