"""Synthetic inspection data with known truth, from one integer seed. NumPy and SciPy only; nothing is downloaded.

Pictures follow the hierarchy of a factory: product (layout) -> lot (style of the exposures) -> wafer (die grid and
spatial defect process) -> die (image, golden reference, class map, list of defects). A die depends on its address
alone, so any one can be drawn without those before it.

These are drawings. Scores on them say that a pipeline works; they do not predict scores on a product.
"""
