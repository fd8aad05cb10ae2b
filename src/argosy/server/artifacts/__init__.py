"""Model artifacts: what a user names on the command line becomes a model store entry."""
