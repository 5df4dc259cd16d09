"""A page about runs: figures, floors, clips, curves, defenses, and how to do it again; one file that needs no other."""
