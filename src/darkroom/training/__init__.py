"""A Recipe and a Dataset become a Run."""
