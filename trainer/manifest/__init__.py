"""What training and scoring read of a manifest."""

from trainer.manifest.view import SCHEMA, SHAM, SPLITS, TRIGGERED, Manifest, Sample, Target, load, plain

__all__ = ["SCHEMA", "SHAM", "SPLITS", "TRIGGERED", "Manifest", "Sample", "Target", "load", "plain"]
