"""What RecBole's models ask of a configuration and of a data set, with numbers in place of files.

RecBole counts users and items from 1; 0 is padding.
"""

FIELDS = {
    "USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "NEG_PREFIX": "neg_", "LIST_SUFFIX": "_list",
    "ITEM_LIST_LENGTH_FIELD": "item_length", "device": "cpu",
}  # fmt: skip


class Sizes:
    def __init__(self, **counts):
        self._counts = counts

    def num(self, field):
        return self._counts[field]


class PaddingIsAClass:
    """What RecBole's models of sequences do in fact: padding is one class more, whose row is learnt as items' are."""

    def loss(self, p, batch):
        return self.next_item_loss(self.user_vectors(p, batch), p["item_embedding"], batch, 1)


def next_item(module, batch):
    """The loss of a model of sequences."""
    named = {"item_id_list": batch["history"].long(), "item_length": batch["length"].long(),
             "item_id": batch["target"].long() + 1}  # fmt: skip
    return module.calculate_loss(named)


def embed_items(port):
    return port.ask(lambda _: port.module.item_embedding.weight[1:], {})
