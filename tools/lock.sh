#!/usr/bin/env bash
# Resolves pyproject.toml into the locked requirement files. Versions younger than a week are left to others to try.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
    --exclude-newer "$(date -u -d '7 days ago' +%Y-%m-%dT00:00:00Z)" "$@"; }
compile pyproject.toml -o requirements/serve.txt
compile pyproject.toml --extra dev --constraint requirements/serve.txt -o requirements/dev.txt
printf "uv\nhatchling\neditables\n" | compile - -o requirements/bootstrap.txt
