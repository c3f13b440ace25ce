"""Data sets: an adapter for each published one, a file with a row as example, and what all of them share."""
