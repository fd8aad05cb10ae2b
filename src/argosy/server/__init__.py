"""Policy and life cycle; knows no web framework and no wire format."""
