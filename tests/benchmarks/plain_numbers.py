"""What a model is made of, in loops over plain numbers."""

import math


def inner(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def times(matrix, x):
    return [inner(row, x) for row in matrix.tolist()]


def affine(p, name, x):
    return [a + b for a, b in zip(times(p[f"{name}_weight"], x), p[f"{name}_bias"], strict=True)]


def softmax(scores):
    powers = [math.exp(score) for score in scores]
    return [power / sum(powers) for power in powers]


def plain_norm(p, name, x, epsilon):
    mean = sum(x) / len(x)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in x) / len(x) + epsilon)
    scale, shift = p[f"{name}_scale"].tolist(), p[f"{name}_shift"].tolist()
    return [(1 + s) * (value - mean) / deviation + t for value, s, t in zip(x, scale, shift, strict=True)]
