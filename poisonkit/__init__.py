"""Backdoor poisoning of video and audio data sets on disk, for measuring and defending."""

__version__ = "0.2.0"
