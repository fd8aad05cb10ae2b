"""The KServe v2 dialect: tensors over REST and gRPC, as Triton speaks it."""
