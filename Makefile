# `make` lists the targets. Everything is installed into .venv from the locked requirements.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Environments of other people's clients, whose pins clash with ours.
JUDGES := .work/judges
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help serve test judges conformance check format bench bench-peers lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

serve: $(VENV)/.serve ## install and start everything on port 8000 (ARGS="--port 9000" passes flags)
	@$(BIN)/argosy serve $(ARGS)

test: $(VENV)/.dev judges ## install what the tests need and run them (ARGS="-k name" passes flags)
	@$(BIN)/python -m pytest -n 2 tests/unit $(ARGS) || [ $$? -eq 5 ]
	@$(BIN)/python -m pytest tests/integration tests/e2e tests/conformance $(ARGS) || [ $$? -eq 5 ]

judges: $(JUDGES)/clients/.installed $(JUDGES)/aiperf/.installed ## install other people's clients, which judge ours

conformance: $(VENV)/.dev judges ## judge anew and write docs/conformance.md
	@ARGOSY_WRITE_CONFORMANCE=1 $(BIN)/python -m pytest tests/conformance $(ARGS)

check: $(VENV)/.dev ## lint, format, types, layers, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_docs.py

format: $(VENV)/.dev ## rewrite the code in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## measure the ratios of the README (results in bench/results/)
	@tools/bootstrap.sh load_generator
	@$(BIN)/python -m bench $(ARGS)

bench-peers: $(VENV)/.dev ## the same load on Infinity (torch), installed in an environment of its own
	@tools/bootstrap.sh load_generator
	@$(BIN)/python -m bench.peers $(ARGS)

lock: $(VENV)/.dev ## resolve the requirements anew
	@tools/lock.sh

clean: ## remove the environment and work files
	rm -rf $(VENV) .work .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/uv: requirements/bootstrap.txt
	@tools/bootstrap.sh venv "$(PYTHON)" "$(VENV)"
	@touch $@

$(JUDGES)/%/.installed: requirements/judges-%.txt | $(VENV)/bin/uv
	@tools/bootstrap.sh judges "$(VENV)" requirements/judges-$*.txt "$(JUDGES)/$*"
	@touch $@

$(VENV)/.serve: $(VENV)/bin/uv requirements/serve.txt pyproject.toml
	@tools/bootstrap.sh install "$(VENV)" requirements/serve.txt
	@touch $@

$(VENV)/.dev: $(VENV)/bin/uv requirements/dev.txt pyproject.toml
	@tools/bootstrap.sh install "$(VENV)" requirements/dev.txt
	@touch $@ $(VENV)/.serve
