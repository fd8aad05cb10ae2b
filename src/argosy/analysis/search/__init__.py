"""Which configuration to measure next."""
