"""Enrols iris codes until it is done or killed; prints each receipt once it is committed.

Run as: python enrolling.py SITE LOCATION INDEX START COUNT BATCH
"""

import sys

import numpy as np

sys.path.insert(0, sys.argv[1])

import biomatch
from biomatch.search import Enrolled, Rejected


def code(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, 32, dtype=np.uint8)


def say(result: Enrolled | Rejected) -> None:
    word = result.subject if isinstance(result, Enrolled) else f"rejected {result.error}"
    print(word, flush=True)


if __name__ == "__main__":
    location, index, start, count, batch = sys.argv[2], sys.argv[3], *map(int, sys.argv[4:7])
    with biomatch.open(location, index=index) as db:
        print("ready", flush=True)
        items = ({"source": code(i), "subject": f"n{i}"} for i in range(start, start + count))
        db.enrol_many(items, modality="iris", on_result=say, commit_every=batch)
    print("done", flush=True)
