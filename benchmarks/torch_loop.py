"""A typical PyTorch loop over batches in eager mode.

It trains on the same data in the same dtype, in a new random order in each epoch, with the
same penalty (as `weight_decay`), and stores no losses.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)

PENALTY = 1e-4  # equals our alpha


def fit_logistic(X, y, batch_size, learning_rate, n_epochs):
    """Return a logistic regression after plain gradient descent in batches."""
    X, y = torch.from_numpy(X), torch.from_numpy(y.astype(X.dtype)[:, None])
    model = nn.Linear(X.shape[1], 1, dtype=X.dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, weight_decay=PENALTY)
    return train(model, nn.BCEWithLogitsLoss(), optimizer, (X, y), batch_size, n_epochs)


def fit_network(X, y, hidden_layer_sizes, batch_size, n_epochs):
    """Return a network of relu layers after Adam with defaults in batches."""
    sizes = (X.shape[1], *hidden_layer_sizes, len(np.unique(y)))
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out, dtype=X.dtype), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])  # the last layer gives logits
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=PENALTY, fused=True)
    return train(model, nn.CrossEntropyLoss(), optimizer, (X, y), batch_size, n_epochs)


def train(model, loss, optimizer, data, batch_size, n_epochs):
    """Return the model after `n_epochs` epochs on data = (X, y), both tensors."""
    X, y = data
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X)).split(batch_size):
            optimizer.zero_grad()
            loss(model(X[rows]), y[rows]).backward()
            optimizer.step()
    return model
