"""The judge: rules, which are data, turn the defects of one inspection into severities and a verdict."""
