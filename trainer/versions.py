"""The versions that a run's figures depend on."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("poisonkit", "torch", "torchvision", "lightning", "pytorchvideo", "av", "numpy")


def versions() -> dict[str, str]:
    """Package names with their installed versions."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
