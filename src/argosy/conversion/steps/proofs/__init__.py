"""How a served engine is asked and judged, one module for each way of asking."""
