"""Which ways there are to run a model, and which of them this machine can take."""
