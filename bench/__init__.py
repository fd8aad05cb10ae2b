"""Benchmarks: what serving costs over the raw engines, measured as ratios in one run on one machine."""
