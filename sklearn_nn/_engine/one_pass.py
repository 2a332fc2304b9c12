"""What PyTorch computes in one pass over the memory, by one kernel on a GPU.

The standard of arrays needs several functions for it. A function of this package that has
the decorator `arrays.in_one_pass` is the specification of the one with its name here.
"""

from math import gcd, inf

# Rows of a group that are summed in float32, and the numbers of an array from which their
# copy in float64 takes longer than the start of another kernel.
ROWS_OF_GROUP, MANY_NUMBERS = 32, 2**18
# Devices with a kernel of Adam. Each tensor of its list is the work of few multiprocessors,
# and at most this many tensors are that of one kernel.
WITH_ADAM, TENSORS_AT_ONCE = ("cuda",), 32


def adam_step(theta, first, second, gradient, rate, adam):
    """Take a step of Adam, in place; NotImplemented unless theta is float32.

    PyTorch's kernel takes a rate in float32, and corrects the bias of moments. In step
    infinity there is none: the rate is corrected already.
    """
    import torch
    from torch.optim.adam import adam as step

    if theta.dtype != torch.float32 or theta.device.type not in WITH_ADAM:
        return NotImplemented
    size = -(-theta.numel() // TENSORS_AT_ONCE)
    size += -size % 4  # so that each part begins at a multiple of 16 bytes
    arrays = theta, gradient, first, second
    parts = [list(array.split(size)) for array in arrays]
    step(
        *parts,
        [],
        [theta.new_full((), inf)] * len(parts[0]),  # to which it adds 1
        fused=True,
        amsgrad=False,
        beta1=adam.beta_1,
        beta2=adam.beta_2,
        lr=rate,
        weight_decay=0.0,
        eps=adam.epsilon,
        maximize=False,
    )
    return theta, first, second


def sums_of_groups(array):
    """Return the sums of up to ROWS_OF_GROUP rows each of a large float32 array (n, k).

    PyTorch copies an array to sum it in float64, which moves five times the bytes of a sum
    in float32. Over so few rows, that sum rounds no more than the products before it. A
    device without float64 sums in float32 in any case.
    """
    n_rows, n_columns = array.shape
    size = gcd(n_rows, ROWS_OF_GROUP)
    if array.element_size() > 4 or array.numel() < MANY_NUMBERS or size == 1:
        return array
    return array.reshape(n_rows // size, size, n_columns).sum(1)


def where_positive(array, z):
    """Return the array where z > 0, and 0 elsewhere, for finite numbers."""
    import torch

    return torch.ops.aten.threshold_backward(array, z, 0)


# By the name of the library, and of a function.
ONE_PASS = {
    "torch": {
        "adam_step": adam_step,
        "affine": lambda intercept, X, weight: intercept.addmm(X, weight),
        "log1pexp": lambda z: z.logaddexp(z.new_zeros(())),
        "log_softmax": lambda z: z.log_softmax(1),
        "minus_quotient": lambda array, n, d: array.addcdiv(n, d, value=-1),
        "moving_mean": lambda mean, value, beta: mean.lerp(value, 1 - beta),
        "plus_multiple": lambda array, factor, other: array.add(other, alpha=factor),
        "plus_product": lambda array, factor, x, y: array.addcmul(x, y, value=factor),
        "positive_part": lambda z: z.relu(),
        "sigmoid": lambda z: z.sigmoid(),
        "softmax": lambda z: z.softmax(-1),
        "sums_of_groups": sums_of_groups,
        "where_positive": where_positive,
    }
}
