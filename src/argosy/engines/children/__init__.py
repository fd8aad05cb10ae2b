"""Processes that an engine starts beside itself: a line to them, and no life beyond their parent's."""
