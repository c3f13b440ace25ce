"""Training of the micro models, from nothing."""
