# Two commands: `make demo` shows biomatch at work, `make test` proves it.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint docs notebooks screenshots clean

demo: $(VENV)/.run
	$(BIN)/biomatch demo --out demo-out

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=600 notebooks

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

notebooks: $(VENV)/.dev
	$(BIN)/python -m pytest --nbmake --nbmake-timeout=600 notebooks

# Needs Chromium: pictures of the demonstration's reports, wide and narrow, and checks of the pages.
screenshots: demo
	$(BIN)/python benchmarks/screenshots.py demo-out screenshots

$(VENV)/.run: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[wsq]'
	touch $@

$(VENV)/.dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[dev,docs]'
	touch $@

$(VENV)/.docs: $(VENV)/.dev
	touch $@

clean:
	rm -rf $(VENV) demo-out screenshots build dist site
