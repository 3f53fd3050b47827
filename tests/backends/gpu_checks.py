"""What only a GPU is asked for, of one framework in a process of its own; prints what was found as one line of JSON.

`real` asks the GPU that is there. `fake` has the main memory stand for a GPU's, so that the same lines run without one.
"""

import importlib
import json
import sys
from types import SimpleNamespace

import numpy as np

from benchmarks.agreement import climbs, reference

PEAK = 123_456


def fake_torch(torch):
    torch.Tensor.to = lambda self, place: places.append(place) or self
    torch.cuda.synchronize = lambda: places.append("synchronised")
    torch.cuda.max_memory_allocated = lambda: PEAK
    places = []
    return places


def fake_paddle(paddle):
    places = []
    main = paddle.CPUPlace()
    paddle.CUDAPlace = lambda number: places.append(f"gpu {number}") or main
    paddle.device.synchronize = lambda: places.append("synchronised")
    paddle.device.cuda.max_memory_allocated = lambda: PEAK
    return places


def fake_tensorflow(tf):
    places, device = [], tf.device
    tf.device = lambda name: places.append(name) or device("/device:CPU:0")
    tf.config.experimental.get_memory_info = lambda name: places.append(name) or {"current": 1, "peak": PEAK}
    return places


def fake_jax(jax):
    places, (main, *_) = [], jax.devices("cpu")
    put = jax.device_put
    gpu = SimpleNamespace(memory_stats=lambda: {"bytes_in_use": 1, "peak_bytes_in_use": PEAK})
    jax.devices = lambda kind=None: [gpu] if kind == "gpu" else [main]
    jax.device_put = lambda tree, place: places.append("gpu" if place is gpu else "cpu") or put(tree, main)
    return places


FAKES = {"torch": fake_torch, "paddle": fake_paddle, "tensorflow": fake_tensorflow, "jax": fake_jax}


def trained(adapter, spec, device, parameters, chunks):
    """The losses of all steps and the parameters after them."""
    state, losses = adapter.init(spec, parameters, device, "eager"), []
    for chunk in chunks:
        state, of_chunk = adapter.train(state, chunk)
        losses.append(of_chunk)
    return np.concatenate(losses), adapter.export(state)


def main(backend, how):
    library = importlib.import_module(backend)
    places = FAKES[backend](library) if how == "fake" else []
    gpu, device = importlib.import_module(f"backends.{backend}.gpu"), "cpu" if how == "fake" else "gpu"
    adapter = importlib.import_module(f"backends.{backend}.mf_bpr")
    climb = climbs.of("mf-bpr")[0]
    chunks = list(reference.chunks(climb))
    start = [climb.spec, device, reference.start(climb)]
    n_before = len(places)
    resident = [gpu.resident(chunk) for chunk in chunks]
    asked = places[n_before:]
    losses, after = trained(adapter, *start, resident)
    expected, after_copies = trained(adapter, *start, chunks)
    off = max(float(np.abs(after[name] - after_copies[name]).max()) for name in after)
    return {
        "places": asked,
        "native": all(not isinstance(value, np.ndarray) for value in resident[0].values()),
        "losses": float(np.abs(losses - expected).max()),
        "parameters": off,
        "peak_bytes": gpu.peak_bytes(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
