"""What makes two pictures look alike: fingerprints, an index of them, and a look at the pixels."""
