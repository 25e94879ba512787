"""Every figure darkroom claims: one script each, JSON out, the machine named."""
