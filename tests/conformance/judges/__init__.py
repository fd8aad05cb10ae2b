"""Programs that judge a running server with other people's clients, each in the environment its client needs.

A judge is a module whose functions `check_…(root)` take the server's address; see `checking`.
"""
