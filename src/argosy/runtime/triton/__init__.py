"""The runtime that is the real Triton Inference Server, as a fenced and supervised child process."""
