# Two commands for a fresh clone: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

DEMO := build/demo
DEMO_SETTINGS := download.source=sample train.epochs=12 train.batch_size=32 train.ema=0.95 train.precision=float32

.DEFAULT_GOAL := help
.PHONY: benchmark help venv demo test test-slow restore lock

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "make %-10s %s\n", $$1, $$2}'

venv: $(INSTALLED) ## Make .venv and install the pinned packages (PYTHON=python3.12 chooses another Python)

$(INSTALLED): $(VENV)/.requirements pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.requirements: requirements.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("expected Python 3.11 or newer, received %d.%d (%s); run: make PYTHON=/path/to/python3.11" % (sys.version_info[0], sys.version_info[1], sys.executable))'
	$(PYTHON) -m venv --clear $(VENV)
	@echo "Installing the pinned packages into $(VENV): 4 GB, about three minutes"
	$(VENV)/bin/python -m pip install --quiet --require-hashes --requirement requirements.txt
	@touch $@

# First, so that `python` in dvc.yaml is this environment's; private, so that PYTHON above is not.
benchmark demo test test-slow restore: private export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

demo: $(INSTALLED) ## Run the whole pipeline on drawn faces, in a clone of its own under build/demo
	@test -z "$$(git status --porcelain)" || echo "Uncommitted changes stay out: the demo runs the last commit."
	rm -rf $(DEMO)
	git clone --quiet . $(DEMO)
	@cd $(DEMO) && git config user.name demo && git config user.email demo@localhost
	cd $(DEMO) && dvc exp run $(addprefix -S ,$(DEMO_SETTINGS))
	@cd $(DEMO) && dvc metrics show --md metrics/validation.json metrics/test.json
	@echo "Pictures:" && find $(DEMO)/plots -name '*.png' | sort

test: $(INSTALLED) ## Check style, types and everything that takes seconds
	ruff check .
	ruff format --check .
	mypy
	pytest -m 'not slow'

test-slow: $(INSTALLED) ## Run the tests that take minutes: the real dvc repro, training, killed and resumed
	pytest -m slow --timeout 1800 --durations 10

benchmark: $(INSTALLED) ## Measure the pipeline and its use into benchmarks/results.md and benchmarks/use.md
	python -m benchmarks
	python -m benchmarks use

restore: $(INSTALLED) ## Put the shipped network into models/ and DVC's cache, so that nothing has to train
	emotion restore

lock: ## Resolve the newest versions that pyproject.toml allows and write requirements.txt
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet pip-tools
	build/lock/bin/pip-compile --quiet --upgrade --allow-unsafe --strip-extras --generate-hashes \
		--extra pipeline --extra app --extra jax --extra dev --output-file requirements.txt \
		--no-header --no-annotate --no-emit-options --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		pyproject.toml
