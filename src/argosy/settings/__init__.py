"""Every setting, declared once; the only package that reads the environment.

A value comes from, highest first: a command-line flag, an argument in `NIM_PASSTHROUGH_ARGS`, an `ARGOSY_*` variable, a
`NIM_*` variable or another alias, `argosy.toml` in the working directory (or the file named by `ARGOSY_CONFIG`), the
tags of the model's profile, the default. `load` returns the values together with where each came from, refuses a bad
value by name, and warns of variables that look like ours and are not known. Layers below never see this package: `app`
hands each its own frozen options.
"""

from __future__ import annotations

from argosy.settings.declaration import Alias, Declaration
from argosy.settings.json_schema import json_schema
from argosy.settings.loading import Loaded, load
from argosy.settings.registry import Settings, declarations, flag, variables
from argosy.settings.secret import Secret
from argosy.settings.sources import CONFIG_FILE

__all__ = [
    "CONFIG_FILE",
    "Alias",
    "Declaration",
    "Loaded",
    "Secret",
    "Settings",
    "declarations",
    "flag",
    "json_schema",
    "load",
    "variables",
]
