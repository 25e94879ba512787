"""A folder, an archive or a built-in becomes a Dataset."""
