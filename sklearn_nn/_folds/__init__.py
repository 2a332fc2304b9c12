"""One network per fold: splits, training, calibration, and out-of-fold predictions."""
