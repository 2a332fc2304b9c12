"""Pictures of models and of their training."""
