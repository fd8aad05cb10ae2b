"""The processes of one Argosy: the link between supervisor and gateway workers, and the workers' lives."""
