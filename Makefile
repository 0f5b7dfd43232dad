# Two commands for a fresh clone: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
export PATH := $(CURDIR)/$(BIN):$(PATH)

# The environment keeps a copy of the files that it was made from. Contents are compared: a checkout changes the times.
PINS := requirements.txt pyproject.toml
INSTALLED := $(VENV)/.installed
STATE := $(shell if [ -L $(VENV) ]; then echo linked; \
	elif cat $(PINS) | cmp -s - $(INSTALLED) 2> /dev/null; then echo current; else echo install; fi)

# uv does not read pip's settings: it gets the index that pip would use, and trusts the certificates of the system.
export UV_SYSTEM_CERTS ?= true
PIP_INDEX = $(BIN)/python -m pip config list | sed -n "s/^[a-z:]*\.index-url='\(.*\)'$$/\1/p" | head -n 1
WITH_INDEX = UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX-$${UV_INDEX_URL-$$($(PIP_INDEX))}}"

CHECK_PYTHON := import sys; (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit( \
	"The pinned packages need Python 3.11 to 3.13, %s is %d.%d; %srun: make PYTHON=/path/to/python3.12 venv" \
	% (sys.executable, sys.version_info[0], sys.version_info[1], sys.argv[1]))

DEMO := build/demo
DEMO_SETTINGS := download.source=sample train.epochs=12 train.batch_size=32 train.ema=0.95 train.precision=float32

.DEFAULT_GOAL := help
.PHONY: benchmark check current demo help install linked lock restore site test test-slow venv

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "make %-10s %s\n", $$1, $$2}'

venv: $(STATE) ## Make .venv or bring it up to date (PYTHON=python3.12 chooses the Python of a new one)
ifneq ($(origin PYTHON),file)
	@chosen=$$($(PYTHON) -V) && found=$$($(BIN)/python -V) && [ "$$chosen" = "$$found" ] || \
		{ echo "$(VENV) has $$found, and PYTHON=$(PYTHON) is $$chosen; delete $(VENV) to change it" >&2; exit 1; }
endif

linked:
	@echo "$(VENV) is a link to $$(readlink $(VENV)); it is used as it is."

install: $(UV)
	@$(BIN)/python -c '$(CHECK_PYTHON)' 'delete $(VENV), then '
	@rm -f $(INSTALLED)
	@echo "Installing the pinned packages into $(VENV) (3.5 GB)"
	@$(WITH_INDEX) $(UV) pip sync --quiet --python $(BIN)/python --require-hashes \
		--build-constraints requirements.txt requirements.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@cat $(PINS) > $(INSTALLED)

$(UV): | $(BIN)/python
	@if [ -L $(VENV) ]; then echo "$(VENV) is a link to an environment without uv; install uv there" >&2; exit 1; fi
	@$(BIN)/python -c 'import pip' 2> /dev/null || $(BIN)/python -m ensurepip > /dev/null
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt | $(BIN)/python -m pip install --quiet --require-hashes --requirement /dev/stdin

$(BIN)/python:
	@if [ -e $(VENV)/pyvenv.cfg ]; then echo "The Python of $(VENV) is gone; delete $(VENV), then run make again" >&2; exit 1; fi
	@$(PYTHON) -c '$(CHECK_PYTHON)' ''
	$(PYTHON) -m venv $(VENV)

demo: venv ## Run the whole pipeline on drawn faces, in a clone of its own under build/demo
	@test -z "$$(git status --porcelain)" || echo "Uncommitted changes stay out: the demo runs the last commit."
	rm -rf $(DEMO)
	git clone --quiet . $(DEMO)
	@cd $(DEMO) && git config user.name demo && git config user.email demo@localhost
	cd $(DEMO) && dvc exp run $(addprefix -S ,$(DEMO_SETTINGS))
	@cd $(DEMO) && dvc metrics show --md metrics/validation.json metrics/test.json
	@echo "Pictures:" && find $(DEMO)/plots -name '*.png' | sort

check: venv ## Check style, types and the order of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test: check ## Check, then run the tests that take seconds
	@if command -v npm > /dev/null; then $(MAKE) --silent web/node_modules || \
		echo "The packages of web/ could not be installed, so the page without a server is not tested." >&2; fi
	$(BIN)/pytest -m 'not slow' --numprocesses 2

test-slow: venv ## Run the tests that take minutes: the real dvc repro, training, killed and resumed
	$(BIN)/pytest -m slow --timeout 1800 --durations 10

benchmark: venv ## Measure the pipeline and its use into benchmarks/results.md and benchmarks/use.md
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks use

site: venv web/node_modules ## Build the page that needs no server into build/site (needs node and npm)
	@rm -rf build/web
	$(BIN)/python -m web.prepare build/web
	node web/build.mjs $(CURDIR)/build/web $(CURDIR)/build/site

# Without a lock file, which would name the registry that it was written from; package.json has exact versions.
web/node_modules: web/package.json
	@command -v npm > /dev/null || { echo "make site needs node and npm; install node 20 or newer" >&2; exit 1; }
	npm install --silent --no-package-lock --no-audit --no-fund --prefix web
	@touch $@

restore: venv ## Put the shipped network into models/ and DVC's cache, so that nothing has to train
	$(BIN)/emotion restore

lock: $(UV) ## Write requirements.txt from pyproject.toml; versions stay as they are unless UPGRADE=1
	@$(WITH_INDEX) $(UV) pip compile --quiet $(if $(UPGRADE),--upgrade) --universal --python-version 3.11 --fork-strategy fewest \
		--extra pipeline --extra app --extra heif --extra video --extra jax --extra ray --extra dev \
		--generate-hashes --no-header --no-annotate --output-file requirements.txt pyproject.toml
