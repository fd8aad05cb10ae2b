"""KServe v2 over gRPC: the service `inference.GRPCInferenceService` on a port of its own."""
