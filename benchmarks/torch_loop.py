"""The loop that users of PyTorch write: one batch after the other, in eager mode.

It trains on the same data in the same type, in a new random order in each epoch, with the
same penalty (as `weight_decay`), and keeps no losses.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)

PENALTY = 1e-4  # as ours, divided by nothing


def fit_logistic(X, y, batch_size, learning_rate, n_epochs):
    """Return a logistic regression after plain gradient descent in batches."""
    X, y = torch.from_numpy(X), torch.from_numpy(y.astype(X.dtype)[:, None])
    model = nn.Linear(X.shape[1], 1, dtype=X.dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, weight_decay=PENALTY)
    return train(model, nn.BCEWithLogitsLoss(), optimizer, (X, y), batch_size, n_epochs)


def fit_network(X, y, hidden_layer_sizes, batch_size, n_epochs):
    """Return a network of relu layers after Adam with its defaults in batches."""
    sizes = (X.shape[1], *hidden_layer_sizes, len(np.unique(y)))
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out, dtype=X.dtype), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])  # the last layer gives logits
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=PENALTY, fused=True)
    return train(model, nn.CrossEntropyLoss(), optimizer, (X, y), batch_size, n_epochs)


def train(model, loss, optimizer, data, batch_size, n_epochs):
    """Return the model after `n_epochs` over the data, the tensors X and y."""
    X, y = data
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X)).split(batch_size):
            optimizer.zero_grad()
            loss(model(X[rows]), y[rows]).backward()
            optimizer.step()
    return model
