# Everything runs in a virtual environment of its own; the two commands a newcomer needs are `make demo` and `make test`.
PYTHON ?= python3
# Which torch to install, for example TORCH="torch --index-url <address of a CPU-only index>".
TORCH ?= torch==2.13.0
ARGS ?=
PORT ?= 8000
# How many processes run the tests: as many as there are cores, at most 4. JOBS=0 runs them in one, for a debugger.
JOBS ?= auto --maxprocesses=4
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo demo-site test check check-page docs dist dist-try sbom audit fuzz clean

demo: $(VENV)/.demo  ## default generator, 40+ sliders, the studio in the browser
	@$(BIN)/tlgan demo $(ARGS)

demo-site: $(VENV)/.site  ## the same as a page that needs no server: builds site/ and serves it, http://localhost:8000
	@$(BIN)/tlgan demo --no-studio
	@$(BIN)/tlgan publish faces -o site --embed $(ARGS)
	@echo "• http://localhost:$(PORT) (Ctrl-C ends it)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory site

test: $(VENV)/.test check  ## everything, the browser tests included (they need Chromium)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(VENV)/.test check-page  ## formatting, lint and types
	$(BIN)/ruff format --check src tests benchmarks recipes
	$(BIN)/ruff check src tests benchmarks recipes
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python recipes/licences.py

docs: $(VENV)/.test  ## the documentation as pages: build/docs/index.html, links checked
	@$(BIN)/python recipes/docs.py

dist: $(VENV)/.test  ## wheel and sdist in dist/, checked
	@$(BIN)/python recipes/dist.py

dist-try: $(VENV)/.test  ## the same, and the wheel tried in a fresh environment away from the tree; minutes
	@$(BIN)/python recipes/dist.py --try --torch '$(TORCH)'

check-page: $(VENV)/.typescript  ## types of the pages' scripts, where there is Node.js
	@if [ -x $(VENV)/node_modules/.bin/tsc ]; then $(VENV)/node_modules/.bin/tsc -p jsconfig.json; \
	else echo "• no TypeScript (npm is missing, or can't reach its registry): the pages' types are not checked"; fi

sbom: $(VENV)/.test  ## what is installed, with versions, licences and hashes: CycloneDX JSON in build/sbom.json
	@mkdir -p build
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-format JSON --output-file build/sbom.json $(BIN)/python

audit: $(VENV)/.test  ## known vulnerabilities of what is installed, as OSV knows them
	@$(BIN)/python recipes/audit.py

fuzz: $(VENV)/.test  ## every reader of strangers' bytes, a minute each
	$(BIN)/python benchmarks/fuzz.py --seconds 60 $(ARGS)

clean:
	rm -rf $(VENV) build dist

$(VENV)/.torch:
	@$(PYTHON) -c 'import sys; sys.exit("tlgan needs Python 3.11 or newer, this is %d.%d: name another with make PYTHON=..." % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@echo "• making a virtual environment in $(VENV) and installing $(TORCH) (once; minutes)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet $(TORCH)
	@touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	@echo "• installing tlgan and what it needs"
	@$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.site: $(VENV)/.torch pyproject.toml
	@echo "• installing tlgan and what publishing needs"
	@$(BIN)/pip install --quiet --editable ".[onnx]"
	@touch $@ $(VENV)/.demo

$(VENV)/.test: $(VENV)/.torch pyproject.toml
	@echo "• installing tlgan and what its tests need"
	@$(BIN)/pip install --quiet --editable ".[test]"
	@touch $@ $(VENV)/.demo

$(VENV)/.typescript: $(VENV)/.torch
	@if command -v npm >/dev/null; then npm install --prefix $(VENV) --no-save --silent --no-fund --no-audit typescript@5.9.3 || true; fi
	@touch $@
