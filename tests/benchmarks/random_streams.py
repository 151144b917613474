"""Streams of made-up texts around the centres of their classes, some centres close to each other."""

from __future__ import annotations

import random

import numpy as np
from baselines import Stream
from truth import Row, Workload, same_class


def random_stream(*, requests: int, seed: int) -> tuple[Stream, Workload]:
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(12, 16))
    centres[1::2] = centres[::2] + 0.5 * chance.normal(size=(6, 16))
    rows = [Row(f"text {number}", str(number % 12)) for number in range(120)]
    points = {row.text: centres[int(row.class_id)] + 0.4 * chance.normal(size=16) for row in rows}
    vectors = {text: (point / np.linalg.norm(point)).astype(np.float32) for text, point in points.items()}
    asked = random.Random(seed).choices(rows, k=requests)
    return Stream.of(asked, vectors), Workload("random", tuple(rows), same_class, same_class)
