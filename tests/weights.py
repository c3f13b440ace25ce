"""How far two trainings of a draft are apart, over how far the first moved it; for a Python that has safetensors:

    environments/models/bin/python tests/weights.py PLAIN TRAINED OTHER

The three are model folders. Prints the quotient of both distances, each over all weights.
"""

import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


def distance(one: Path, other: Path) -> float:
    """The Euclidean distance of all weights."""
    weights, others = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert weights.keys() == others.keys(), weights.keys() ^ others.keys()
    apart = [weights[name].astype(float) - others[name].astype(float) for name in weights]
    return float(np.sqrt(sum(np.square(part).sum() for part in apart)))


if __name__ == "__main__":
    plain, trained, other = map(Path, sys.argv[1:])
    print(distance(trained, other) / distance(trained, plain))
