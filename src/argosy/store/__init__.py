"""What survives a restart: model store entries on disk, and later the control plane's database."""
