"""What the ports of this folder share: a PyTorch module of somebody else's library that learns from the batches given.

Each port imports a library as it is installed, loads the initial parameters into its module, and asks it for the loss.
The optimizer is PyTorch's Adam, which these libraries take, with the learning rate and the epsilon of the spec.
"""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Place:
    """Where a parameter of the spec lies in the module: a tensor, or its rows from one on.

    In the spec it is transposed, or of another shape, where that is said.
    """

    tensor: torch.nn.Parameter
    first: int = 0
    is_transposed: bool = False
    shape: tuple[int, ...] = ()

    def read(self, tensor):
        part = tensor.detach()[self.first :]
        part = part.T if self.is_transposed else part
        return np.array(part.reshape(self.shape) if self.shape else part, order="C")

    def write(self, value):
        part = self.tensor[self.first :]
        part = part.T if self.is_transposed else part
        part.copy_(torch.from_numpy(value.copy()).reshape(part.shape))


class Table(Place):
    """A table whose first row is padding: the module's stays zeros, and what the spec has there is kept beside it."""

    def read(self, tensor):
        rows = tensor.detach().numpy().copy()
        if rows[0].any():
            raise ValueError("the module has learnt something of padding")
        rows[0] = 0 if tensor is self.tensor.grad else self.padding
        return rows

    def write(self, value):
        object.__setattr__(self, "padding", value[0].copy())
        self.tensor.copy_(torch.from_numpy(value.copy()))
        self.tensor[0] = 0


class Port:
    """The module with its optimizer.

    Args:
        spec: what is ported.
        parameters: to start from.
        module: the library's.
        places: name of a parameter -> its place in the module. Those that the spec lacks are passed over, and what is
            nowhere in the module cannot be loaded or exported.
        loss: (module, batch as tensors) -> the loss of one batch.
    """

    def __init__(self, spec, parameters, module, places, loss):
        self.spec, self.module, self.loss = spec, module.train(), loss
        self.places = {name: place for name, place in places.items() if name in parameters}
        with torch.no_grad():
            for name, place in self.places.items():
                place.write(parameters[name])
        adam = spec.optimizer
        settings = {"lr": adam.learning_rate, "betas": (adam.beta1, adam.beta2), "eps": adam.epsilon}
        self.optimizer = torch.optim.Adam(module.parameters(), **settings)

    def backward(self, batch):
        self.optimizer.zero_grad()
        loss = self.loss(self.module, tensors(batch))
        loss.backward()
        return loss.item()

    def ask(self, function, inputs):
        """What a function of the module gives for these inputs, while nothing is learnt."""
        self.module.eval()
        with torch.no_grad():
            found = function(tensors(inputs)).numpy()
        self.module.train()
        return found


def tensors(batch):
    return {name: torch.from_numpy(np.array(value)) for name, value in batch.items()}


def train(port, batches):
    losses = []
    for step in range(len(next(iter(batches.values())))):
        losses.append(port.backward({name: values[step] for name, values in batches.items()}))
        port.optimizer.step()
    return port, np.array(losses, np.float32)


def gradients(port, batch):
    """What normalisations keep of the batches is as it was."""
    kept = {name: value.clone() for name, value in port.module.named_buffers()}
    port.backward(batch)
    for name, value in port.module.named_buffers():
        value.copy_(kept[name])
    return {name: place.read(place.tensor.grad) for name, place in port.places.items() if place.tensor.requires_grad}


def export(port):
    return {name: place.read(place.tensor) for name, place in port.places.items()}
