# `make` lists the targets. Everything is installed into .venv from the locked requirements.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Environments of other people's clients, whose pins clash with ours.
JUDGES := .work/judges
# torch and the exporters; serving never sees them.
CONVERT := .work/convert
# Argosy with the engines that need torch.
ENGINES := .work/engines
ARGS ?=
# Those of tests/e2e that share no server with the rest; with them both lanes of `make test` take about as long.
BESIDE_JUDGES := tests/e2e/test_many_models.py tests/e2e/test_sources.py

.DEFAULT_GOAL := help
.PHONY: help serve test lane-judges lane-servers judges convert-environment test-conversion engines-environment test-engines conformance settings check format bench bench-peers lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

serve: $(VENV)/.serve ## install and start everything on port 8000 (ARGS="--port 9000" passes flags)
	@$(BIN)/argosy serve $(ARGS)

test: $(VENV)/.dev judges ## install what the tests need and run them (ARGS="-k name" passes flags)
	@$(BIN)/python -m pytest -n 2 tests/unit $(ARGS) || [ $$? -eq 5 ]
	@$(MAKE) --no-print-directory -k -j2 --output-sync=target lane-judges lane-servers
	@$(BIN)/python -m pytest tests/integration -m alone $(ARGS) || [ $$? -eq 5 ]

# Both start servers, so each is one process; together they keep two processors busy. Integration tests that stall
# processes for a second and more follow alone.
lane-judges:
	@$(BIN)/python -m pytest tests/conformance tests/integration $(BESIDE_JUDGES) -m "not alone" $(ARGS) || [ $$? -eq 5 ]

lane-servers:
	@$(BIN)/python -m pytest tests/e2e $(addprefix --ignore=,$(BESIDE_JUDGES)) $(ARGS) || [ $$? -eq 5 ]

judges: $(JUDGES)/clients/.installed $(JUDGES)/aiperf/.installed ## install other people's clients, which judge ours

convert-environment: $(CONVERT)/.installed ## install what argosy convert runs: torch for the processor, and the exporters

test-conversion: $(VENV)/.dev convert-environment ## convert models of all kinds, serve them, compare the answers; about five minutes
	@$(BIN)/python -m pytest tests/conversion $(ARGS)

engines-environment: $(ENGINES)/.installed ## install Argosy with vLLM and torch for the processor, apart from .venv

test-engines: engines-environment ## run the engines that need torch, alone and inside Triton
	@$(ENGINES)/bin/python -m pytest tests/engines $(ARGS)

conformance: $(VENV)/.dev judges ## judge anew and write docs/conformance.md
	@ARGOSY_WRITE_CONFORMANCE=1 $(BIN)/python -m pytest tests/conformance $(ARGS)

settings: $(VENV)/.dev ## write docs/settings.md anew from the declarations
	@ARGOSY_WRITE_SETTINGS=1 $(BIN)/python -m pytest tests/unit/settings/test_written_settings.py -q $(ARGS)

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

$(CONVERT)/.installed: requirements/convert.txt | $(VENV)/bin/uv
	@tools/bootstrap.sh convert "$(VENV)" requirements/convert.txt "$(CONVERT)"
	@touch $@

$(ENGINES)/.installed: requirements/engines.txt | $(VENV)/bin/uv
	@tools/bootstrap.sh engines "$(VENV)" requirements/engines.txt "$(ENGINES)"
	@touch $@

$(VENV)/.serve: $(VENV)/bin/uv requirements/serve.txt pyproject.toml
	@tools/bootstrap.sh install "$(VENV)" requirements/serve.txt
	@touch $@

$(VENV)/.dev: $(VENV)/bin/uv requirements/dev.txt pyproject.toml
	@tools/bootstrap.sh install "$(VENV)" requirements/dev.txt
	@touch $@ $(VENV)/.serve
