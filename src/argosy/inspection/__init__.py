"""Inspection: defects in images of semiconductor dies, from picture to verdict. The application on the platform."""
