"""OpenVINO: encoders (embed, rank, classify) and any ONNX, IR or SavedModel network, on Intel-compatible hardware."""
