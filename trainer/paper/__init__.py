"""The tables, figures and findings of "Look, Listen, and Attack" beside ours; its own numbers are in `results.json`."""
