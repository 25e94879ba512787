"""A Run and its Evaluation become a Bundle: what is deployed, and how it answers."""
