"""BPR matrix factorisation in plain NumPy, as the agreement ladder takes it: an adapter of one's own.

    python -m benchmarks agree --adapter examples/my_bpr.py --models mf-bpr

benchmarks/specs/mf_bpr.py says what the model is, backends/contract.py what each of the six functions takes and gives.
"""

import numpy as np


class Model:
    def __init__(self, spec, parameters):
        self.spec = spec
        self.values = {name: value.copy() for name, value in parameters.items()}
        self.first_moment = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.second_moment = {name: np.zeros_like(value) for name, value in parameters.items()}
        self.n_steps = 0

    def loss_and_gradients(self, batch):
        u, i, j = batch["user"], batch["positive"], batch["negative"]
        bias, l2 = self.values["item_bias"], self.spec.l2
        user = self.values["user_factors"][u]
        positive, negative = self.values["item_factors"][i], self.values["item_factors"][j]
        margin = (user * (positive - negative)).sum(1) + bias[i] - bias[j]
        squares = (user**2).sum() + (positive**2).sum() + (negative**2).sum()
        loss = np.logaddexp(0, -margin).mean() + l2 * (squares + bias[i].sum() + bias[j].sum())
        slope = -1 / (1 + np.exp(margin)) / len(margin)  # of the mean along each margin
        gradients = {name: np.zeros_like(value) for name, value in self.values.items()}
        np.add.at(gradients["user_factors"], u, slope[:, None] * (positive - negative) + 2 * l2 * user)
        np.add.at(gradients["item_factors"], i, slope[:, None] * user + 2 * l2 * positive)
        np.add.at(gradients["item_factors"], j, -slope[:, None] * user + 2 * l2 * negative)
        np.add.at(gradients["item_bias"], i, slope + l2)
        np.add.at(gradients["item_bias"], j, -slope + l2)
        return loss, gradients

    def step(self, batch):
        loss, gradients = self.loss_and_gradients(batch)
        adam = self.spec.optimizer
        self.n_steps += 1
        for name, gradient in gradients.items():
            m, v = self.first_moment[name], self.second_moment[name]
            m += (1 - adam.beta1) * (gradient - m)
            v += (1 - adam.beta2) * (gradient**2 - v)
            m_hat, v_hat = m / (1 - adam.beta1**self.n_steps), v / (1 - adam.beta2**self.n_steps)
            self.values[name] -= adam.learning_rate * m_hat / self.root(v_hat)
        return loss

    def root(self, v_hat):
        return np.sqrt(v_hat) + self.spec.epsilon


def init(spec, parameters, device, mode):  # noqa: ARG001 - NumPy has one device and one mode
    return Model(spec, parameters)


def train(model, batches):
    n_steps = len(batches["user"])
    losses = [model.step({name: values[at] for name, values in batches.items()}) for at in range(n_steps)]
    return model, np.array(losses, np.float32)


def gradients(model, batch):
    return model.loss_and_gradients(batch)[1]


def embed_users(model, inputs):
    user = model.values["user_factors"][inputs["user"]]
    return np.concatenate([user, np.ones_like(user[:, :1])], 1)  # the 1 meets the item's bias


def embed_items(model):
    return np.concatenate([model.values["item_factors"], model.values["item_bias"][:, None]], 1)


def export(model):
    return {name: value.copy() for name, value in model.values.items()}
