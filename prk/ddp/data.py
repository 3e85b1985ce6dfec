"""The training data: scikit-learn's digits, Fashion-MNIST's files, or none (synthetic)."""

import gzip
import math
import struct
from pathlib import Path

import numpy as np

from prk.problem import Refusal

# Where Debian's package dataset-fashion-mnist puts the files.
FASHION = "/usr/share/datasets/fashion-mnist"
FILES = {
    "train-images-idx3-ubyte": (60000, 28, 28),
    "train-labels-idx1-ubyte": (60000,),
    "t10k-images-idx3-ubyte": (10000, 28, 28),
    "t10k-labels-idx1-ubyte": (10000,),
}
GET = "install Debian's dataset-fashion-mnist, or name the folder by --data"
DIGITS = 1437


def digits() -> tuple[np.ndarray, ...]:
    """Return training images and labels, test images and labels of scikit-learn's 8 x 8 digits."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = (images[order] / 16).astype(np.float32), labels[order]
    return images[:DIGITS], labels[:DIGITS], images[DIGITS:], labels[DIGITS:]


def fashion(folder: str) -> tuple[np.ndarray, ...]:
    """Return training images and labels, test images and labels of Fashion-MNIST. Raises Refusal."""
    images, labels, test_images, test_labels = (read(Path(folder or FASHION), name) for name in FILES)
    scaled = [((x[:, None] / 255 - 0.286) / 0.353).astype(np.float32) for x in (images, test_images)]
    return scaled[0], labels.astype(np.int64), scaled[1], test_labels.astype(np.int64)


def check(folder: str) -> None:
    """Raise Refusal if a file of Fashion-MNIST is missing or not what it must be."""
    for name in FILES:
        read(Path(folder or FASHION), name)


def read(folder: Path, name: str) -> np.ndarray:
    """Return the array in one of the files, plain or gzipped. Raises Refusal naming file and expectation."""
    shape = FILES[name]
    found = next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
    if found is None:
        raise Refusal("--data", f"{folder} has no {name} or {name}.gz", GET)
    try:
        raw = found.read_bytes()
        raw = gzip.decompress(raw) if found.suffix == ".gz" else raw
    except (OSError, EOFError) as error:
        raise Refusal("--data", f"{found} cannot be read ({error})", GET) from None
    header = struct.pack(f">I{len(shape)}I", 0x800 + len(shape), *shape)
    expected = len(header) + math.prod(shape)
    if len(raw) != expected or not raw.startswith(header):
        raise Refusal(
            "--data",
            f"{found} has {len(raw)} bytes, expected {expected} of {' x '.join(map(str, shape))}",
            GET,
        )
    return np.frombuffer(raw, np.uint8, offset=len(header)).reshape(shape)
