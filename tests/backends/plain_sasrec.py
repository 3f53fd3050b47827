"""SASRec as anybody would write it from the paper with PyTorch's own modules: what ours is held to.

Nothing of the project but the split's files is used: padding stands left, PyTorch draws everything, attention and
normalisation are the library's. Run with a folder of a split, a file for the ranks of the test's targets, and a seed.
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

SETTINGS = {
    "embedding_dim": 32,
    "length": 30,
    "n_blocks": 2,
    "dropout": 0.2,
    "n_negatives": 200,
    "batch_size": 128,
    "learning_rate": 0.003,
    "epochs": 10,
}


class Block(nn.Module):
    def __init__(self, dim, dropout):
        super().__init__()
        self.before_attention, self.before_ffn = nn.LayerNorm(dim, 1e-8), nn.LayerNorm(dim, 1e-8)
        self.attention = nn.MultiheadAttention(dim, 1, dropout, batch_first=True)
        self.ffn = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dim, dim), nn.Dropout(dropout)
        )

    def forward(self, x, padding):
        later = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
        asked = self.before_attention(x)
        found, _ = self.attention(asked, x, x, attn_mask=later, need_weights=False)
        x = self.before_ffn(asked + found)
        return (x + self.ffn(x)) * ~padding[..., None]


class SASRec(nn.Module):
    def __init__(self, n_items, of):
        super().__init__()
        dim = of["embedding_dim"]
        self.items = nn.Embedding(n_items + 1, dim, padding_idx=0)
        self.places = nn.Embedding(of["length"], dim)
        for table in (self.items, self.places):
            nn.init.normal_(table.weight, std=dim**-0.5)
        with torch.no_grad():
            self.items.weight[0] = 0
        self.blocks = nn.ModuleList(Block(dim, of["dropout"]) for _ in range(of["n_blocks"]))
        self.dropout, self.last = nn.Dropout(of["dropout"]), nn.LayerNorm(dim, 1e-8)

    def forward(self, history):
        padding = history == 0
        x = self.items(history) * self.items.embedding_dim**0.5 + self.places(torch.arange(history.shape[1]))
        x = self.dropout(x) * ~padding[..., None]
        for block in self.blocks:
            x = block(x, padding)
        return self.last(x)


def left_padded(sequences, length):
    """int64[n, length], item + 1, the last items of each."""
    rows = [[0] * (length - len(kept)) + kept for items in sequences for kept in [[i + 1 for i in items[-length:]]]]
    return torch.tensor(rows)


def windows(sequences, length):
    """Stretches of length + 1, so that every item but the first of a sequence is a target once."""
    return [items[max(0, stop - length - 1) : stop] for items in sequences for stop in range(len(items), 1, -length)]


def train(model, sequences, of):
    pieces = left_padded(windows(sequences, of["length"]), of["length"] + 1)
    adam = torch.optim.Adam(model.parameters(), of["learning_rate"])
    table, n_items = model.items.weight, model.items.num_embeddings - 1
    for _ in range(of["epochs"]):
        model.train()
        for rows in torch.randperm(len(pieces)).split(of["batch_size"]):
            history, target = pieces[rows, :-1], pieces[rows, 1:]
            target = target.masked_fill(history == 0, 0)
            known = target > 0
            outputs, wanted = model(history)[known], target[known]
            negatives = torch.randint(1, n_items + 1, (of["n_negatives"],))
            of_negatives = (outputs @ table[negatives].T).masked_fill(negatives == wanted[:, None], -1e9)
            of_target = (outputs * table[wanted]).sum(1, keepdim=True)
            loss = functional.cross_entropy(
                torch.cat([of_target, of_negatives], 1), torch.zeros(len(wanted), dtype=torch.long)
            )
            adam.zero_grad()
            loss.backward()
            adam.step()


@torch.no_grad()
def ranks(model, histories, targets, of):
    """How many items that are not in the history score higher than the target."""
    model.eval()
    scores = model(left_padded(histories, of["length"]))[:, -1] @ model.items.weight[1:].T
    for row, items in enumerate(histories):
        scores[row, items] = -torch.inf
    return (scores > scores[torch.arange(len(targets)), targets][:, None]).sum(1).tolist()


def main(folder, result, seed):
    torch.manual_seed(seed)
    torch.set_num_threads(1)

    def array(name):
        return np.load(folder / f"{name}.npy")

    items, indptr = array("sequence_items"), array("sequence_indptr")
    sequences = [items[a:b].tolist() for a, b in itertools.pairwise(indptr)]
    history, start, stop = (array(f"test.{name}") for name in ("history", "start", "stop"))
    histories = [history[a:b].tolist() for a, b in zip(start, stop, strict=True)]
    model = SASRec(int(array("sizes")[1]), SETTINGS)
    train(model, sequences, SETTINGS)
    result.write_text(json.dumps(ranks(model, histories, array("test.items"), SETTINGS)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
