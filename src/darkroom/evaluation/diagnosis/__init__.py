"""A Run becomes a Diagnosis: what ails it, by which evidence, and what to try next."""
