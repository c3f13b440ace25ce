"""The micro world: pictures of handwritten digits, questions about them, and the models trained on both."""
