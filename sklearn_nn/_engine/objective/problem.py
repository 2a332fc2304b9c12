"""The problem that training solves: a network, a loss and a penalty."""

from dataclasses import dataclass

from ..types import Architecture
from .losses import Loss, null_loss
from .penalties import Penalty


@dataclass(frozen=True)
class Problem:
    """What is minimised. The settings of a method say how."""

    architecture: Architecture
    loss: Loss
    penalty: Penalty

    @property
    def null_loss(self):
        """Loss of the null model, whose logits are all zero; see `losses.null_loss`."""
        return null_loss(self.loss, self.architecture.layer_sizes[-1])
