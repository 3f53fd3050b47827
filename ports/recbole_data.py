"""What RecBole's models ask of a configuration and of a data set, with numbers in place of files.

RecBole counts users and items from 1; 0 is padding.
"""


class Sizes:
    def __init__(self, **counts):
        self._counts = counts

    def num(self, field):
        return self._counts[field]


FIELDS = {
    "USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "NEG_PREFIX": "neg_", "LIST_SUFFIX": "_list",
    "ITEM_LIST_LENGTH_FIELD": "item_length", "device": "cpu",
}  # fmt: skip
