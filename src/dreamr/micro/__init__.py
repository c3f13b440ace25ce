"""The micro world: images of handwritten digits, questions about them, and whether a step about them is right."""
