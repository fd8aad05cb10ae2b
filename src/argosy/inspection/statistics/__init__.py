"""Statistics of inspection: rates, control charts, yield, wafer maps and drift. Pure functions on arrays and values."""
