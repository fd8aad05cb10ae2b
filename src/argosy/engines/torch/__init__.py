"""PyTorch: text encoders (embed, rank, classify) straight from a checkpoint folder, on GPUs and processors."""
