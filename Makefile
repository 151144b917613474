# make run    start the service (builds what is missing)     make test   set up and run every test
# make check  lint, types, layers                            make fast   the fast tests only
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH_VERSION := 2.13.0
# PyTorch's own index of CPU builds: the default index would bring gigabytes of CUDA on Linux.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# As many tests at once as there are cores; those of one file share what it starts.
PARALLEL ?= --numprocesses auto --dist loadfile
MODEL := models/all-MiniLM-L6-v2/built.json

.PHONY: run test fast check format clean
.DELETE_ON_ERROR:

run: $(MODEL)
	@if [ -z "$$SEMCACHE_UPSTREAM" ] && [ -z "$$ANTHROPIC_API_KEY" ] && ! grep -qs '^ *upstream' semcache.toml; then \
		export SEMCACHE_UPSTREAM=simulator; fi; exec $(BIN)/semcache serve

test: $(MODEL) $(VENV)/.test
	$(BIN)/python -m pytest $(PARALLEL)

fast: $(MODEL) $(VENV)/.test
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

check: $(VENV)/.test
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(VENV)/.test
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) models/all-MiniLM-L6-v2 .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(MODEL): $(VENV)/.run
	$(BIN)/semcache models build
	@touch $@

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/pip
	@if [ "$$(uname -s)" = Linux ] && ! $(PIP) show --quiet torch 2>/dev/null; then \
		echo "installing PyTorch $(TORCH_VERSION), CPU build (used once, to build the embedding model)"; \
		$(PIP) install --quiet --retries 1 --extra-index-url $(TORCH_INDEX) "torch==$(TORCH_VERSION)+cpu" \
		|| $(PIP) install --quiet "torch==$(TORCH_VERSION)"; fi
	$(PIP) install --quiet --constraint constraints.txt --editable ".[build]"
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(PIP) install --quiet --constraint constraints.txt --editable ".[bench,build,test]"
	@touch $@

$(BIN)/pip:
	@PYTHON="$(PYTHON)" sh .ci/venv "$(VENV)"
