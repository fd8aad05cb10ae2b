"""The NIM dialect: ranking, health, version and metrics."""
