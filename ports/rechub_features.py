"""What the multi-interest models of torch-rechub ask for: features of a user, a history, an item and its negatives."""

import torch
from torch_rechub.basic.features import SequenceFeature, SparseFeature


def features(n_items, dim):
    """A user's feature, of which there is one value, and three that share the table of items; row 0 is padding.

    The models cannot do without a feature of the user.
    """
    table = {"vocab_size": n_items + 1, "embed_dim": dim, "padding_idx": 0}
    history = SequenceFeature("history", pooling="concat", **table)
    item = SparseFeature("item", shared_with="history", **table)
    negatives = SequenceFeature("negatives", pooling="concat", shared_with="history", **table)
    return [SparseFeature("profile", vocab_size=1, embed_dim=dim)], [history], [item], [negatives]


def asked(inputs):
    return {"profile": torch.zeros(len(inputs["history"]), dtype=torch.long), "history": inputs["history"].long()}


def list_wise(module, batch):
    """As its trainer has it for lists: cross entropy of the target before its negatives, here all other items."""
    n_items = len(module.embedding.embed_dict["history"].weight) - 1
    target = batch["target"].long()
    others = torch.arange(n_items - 1).repeat(len(target), 1)
    others += others >= target[:, None]
    scores = module({**asked(batch), "item": target + 1, "negatives": others + 1})
    return torch.nn.functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))


def users(port, inputs):
    return port.ask(lambda given: port.module.user_tower(asked(given)), inputs)


def items(port):
    """Of one item after the other, as its trainer has them."""
    n_items = len(port.module.embedding.embed_dict["history"].weight) - 1

    def whole(_):
        port.module.mode = "item"
        found = port.module.item_tower({"item": torch.arange(1, n_items + 1)})
        port.module.mode = None
        return found

    return port.ask(whole, {})
