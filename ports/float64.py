"""Layers as most libraries have them, in float64, for what ports compute otherwise than the papers."""

import autograd.numpy as np

from benchmarks.specs import sequences
from benchmarks.specs.base import Parameter


def linear(p, name, x):
    return x @ p[f"{name}_weight"].T + p[f"{name}_bias"]


def linear_parameters(name, shape):
    return Parameter(f"{name}_weight", shape, shape[1] ** -0.5), Parameter(f"{name}_bias", shape[:1], 0.1)


def norm(p, name, x, epsilon):
    """LayerNorm, whose scale is no difference from 1 here."""
    centred = x - np.mean(x, -1, keepdims=True)
    deviation = np.sqrt(np.mean(centred**2, -1, keepdims=True) + epsilon)
    return p[f"{name}_scale"] * centred / deviation + p[f"{name}_shift"]


def norm_parameters(name, dim):
    return Parameter(f"{name}_scale", (dim,), 1.0), Parameter(f"{name}_shift", (dim,), 0.1)


def attention(query, key, value):
    """Of heads, float64[batch, heads, length, dim]; a place sees itself and those before it."""
    scores = query @ np.swapaxes(key, 2, 3) / np.sqrt(query.shape[3])
    scores = np.where(np.tril(np.ones(scores.shape[2:], bool)), scores, -np.inf)
    mixed = np.swapaxes(sequences.softmax(scores, 3) @ value, 1, 2)
    return np.reshape(mixed, (*mixed.shape[:2], -1))
