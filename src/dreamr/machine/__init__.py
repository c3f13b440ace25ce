"""What a configuration needs of a machine, and what the machine has."""
