"""What training and scoring read of a manifest."""

from trainer.manifest.view import (
    SCHEMA,
    SHAM,
    SPLITS,
    TESTS,
    TRAIN_TRIGGERED,
    TRIGGERED,
    Manifest,
    Sample,
    Target,
    load,
    plain,
)

__all__ = [
    "SCHEMA",
    "SHAM",
    "SPLITS",
    "TESTS",
    "TRAIN_TRIGGERED",
    "TRIGGERED",
    "Manifest",
    "Sample",
    "Target",
    "load",
    "plain",
]
