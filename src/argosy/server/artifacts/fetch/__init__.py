"""Fetching: from a hub or a web server into the cache."""
