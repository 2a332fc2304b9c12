"""From what users pass to what the engine takes: arrays, labels and weights."""
