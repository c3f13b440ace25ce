"""The micro world: images of handwritten digits, questions about them, and the models trained on both."""
