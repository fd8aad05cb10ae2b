"""Chat templates, rendered apart from the server."""
