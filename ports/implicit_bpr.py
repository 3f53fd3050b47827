"""implicit's BPR on the ladder, as far as it goes: its steps take no batch; see docs/ports.md.

python -m benchmarks agree --adapter ports/implicit_bpr.py --models mf-bpr --quick
"""

import numpy as np
import scipy.sparse
from implicit.cpu.bpr import BayesianPersonalizedRanking

__all__ = ["embed_items", "embed_users", "export", "gradients", "init", "train"]

DRAWS = "implicit draws the samples of its steps itself, and cannot be given a batch"


def init(spec, parameters, device, mode):  # noqa: ARG001 - this class runs on the CPU
    users, items = parameters["user_factors"], parameters["item_factors"]
    model = BayesianPersonalizedRanking(factors=spec.embedding_dim, iterations=0)
    model.fit(scipy.sparse.eye(len(users), len(items), format="csr", dtype=np.float32), show_progress=False)
    model.user_factors[:, :-1] = users
    model.item_factors[...] = np.concatenate([items, parameters["item_bias"][:, None]], 1)
    return model


def train(model, batches):
    raise NotImplementedError(DRAWS)


def gradients(model, batch):
    raise NotImplementedError(DRAWS)


def embed_users(model, inputs):
    return model.user_factors[inputs["user"]]


def embed_items(model):
    return model.item_factors.copy()


def export(model):
    items = model.item_factors
    return {"user_factors": model.user_factors[:, :-1].copy(), "item_factors": items[:, :-1].copy(),
            "item_bias": items[:, -1].copy()}  # fmt: skip
