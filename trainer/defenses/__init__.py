"""Defenses against backdoors, one file each, fed with what a defender has: a model, clips, a few clean ones."""
