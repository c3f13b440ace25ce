"""Adapters of the training sets, one file each."""
