"""A minimal, fast DDPM whose every formula is derived in the course's notebooks."""
