"""From a model's raw output tensors to defects: one adapter for each kind of model, and how one is chosen."""
