"""What text encoders share, whatever runs their network: reading requests, tokens, distinct rows, answers."""
