"""What every HTTP dialect shares: the edge, bodies, replies, event streams, routes and the status map."""
