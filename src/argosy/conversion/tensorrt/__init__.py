"""What is decided of a TensorRT engine without TensorRT: its shapes and numbers, and the command line of `trtexec`.

Written against the documentation of TensorRT 10 and 11; docs/conversion.md says what of it has been run.
"""
