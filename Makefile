# Two commands suffice on a fresh machine with Python >= 3.11: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
RIVALS := .venv-rivals
LAKE := .venv-lake
OWN := .venv-own
MUTATION := .venv-mutation
PY := $(VENV)/bin/python
STORE := $(or $(RNC_STORE),data/rnc.duckdb)
PORT ?= 8501
VERSIONS ?= locked# of the dependencies: locked (requirements.lock), newest or lowest that requirements*.txt allow
INSTALL_locked := -c requirements.lock
INSTALL_newest := --upgrade
INSTALL_lowest := --resolution lowest-direct
INSTALL = $(VENV)/bin/uv pip install --quiet $(INSTALL_$(VERSIONS)) --python $(PY)
export OMP_NUM_THREADS ?= 1
# The tests start hundreds of processes, each of which would compile torch anew where the environment forbids bytecode.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest
IN_TWO := -n 2 --dist loadscope --no-loadscope-reorder

.PHONY: run test quick test-all coverage test-lake test-own mutation setup demo check audit faults load soak bench bench-pages readme-figures gallery lock clean
.DEFAULT_GOAL := run

run: setup ## set up, serve the app; if the store is empty, train the demo beside it
	@$(PY) -m rnc.store "$(STORE)" --upgrade; case $$? in \
	  0) ;; \
	  1) mkdir -p "$(dir $(STORE))"; log="$(dir $(STORE))training.log"; \
	     nohup $(PY) -m train.run demo --store "$(STORE)" >>"$$log" 2>&1 & \
	     echo "The demo is trained meanwhile, as process $$!; what it says: $$log" ;; \
	  *) exit 2 ;; \
	esac
	@echo "The dashboard comes up at http://localhost:$(PORT)"
	RNC_STORE="$(STORE)" $(VENV)/bin/streamlit run app.py --server.port $(PORT)

test: $(VENV)/.dev ## set up and run everything, in two processes
	$(PYTEST) $(IN_TWO)

quick: $(VENV)/.dev ## what a change needs while working: the quick tests of ROOM=rnc/store, or of what differs from the last commit
	@env -u PYTHONDONTWRITEBYTECODE $(PY) -m tests.quick $(ROOM)

test-all: test faults ## and what takes hours: every hostile value, the kills, the load, the soak, whole grids
	RNC_TEST_PROFILE=nightly $(PYTEST) tests/rnc/metrics tests/rnc/attacks tests/rnc/conditions tests/rnc/datasets \
	  tests/train/test_kill.py tests/train/test_paper_runs.py

coverage: $(VENV)/.dev ## lines and branches that the tests reach, by room; processes that the tests start are counted too
	$(PY) -m coverage erase
	env -u PYTHONDONTWRITEBYTECODE $(PY) -m coverage run -m pytest $(IN_TWO); status=$$?; \
	  $(PY) -m coverage combine --quiet && $(PY) -m tests.coverage_by_room && exit $$status

test-lake: $(LAKE)/.made ## the store's tests on DuckLake and a PostgreSQL of their own (Debian: postgresql)
	RNC_TEST_LAKE=1 $(LAKE)/bin/python -m pytest tests/rnc/store
	RNC_TEST_LAKE=1 $(LAKE)/bin/python -m pytest tests/security/test_hostile_lake.py

test-own: $(OWN)/.made ## networks of timm, transformers and Lightning themselves; RNC_TEST_DATA=FOLDER adds a folder's cifar100
	$(OWN)/bin/python -m pytest tests/rnc/models/test_library_networks.py tests/train/test_networks_of_users.py tests/train/test_images_of_users.py

mutation: $(MUTATION)/.made ## change the code of a room in small ways and count what its tests see: make mutation ROOM=rnc/metrics [SAMPLE=N]
	$(MUTATION)/bin/python -m tests.mutation $(ROOM) $(if $(SAMPLE),--sample $(SAMPLE))

setup: $(VENV)/.app ## the environment of app and training

demo: setup ## train three small runs on digits: standard, adversarial, TRADES
	$(PY) -m train.run demo --store "$(STORE)"

check: $(VENV)/.dev ## format, lint, types
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

audit: $(VENV)/.dev ## ask the registry's database of advisories about every installed package; needs the network
	$(VENV)/bin/uv pip install --quiet --python $(PY) pip-audit
	@$(PY) -m pip_audit --strict --progress-spinner off || { code=$$?; \
	  echo "make audit: an advisory above, or the advisories could not be asked for (it needs the network)" >&2; exit $$code; }

faults: $(VENV)/.dev load soak ## and 100 kills at random moments, and every other fault in full (two hours)
	$(PY) -m tests.faults.kills --kills 100 --log out/faults/kills.log
	RNC_TEST_HOSTILE=1 $(PY) -m pytest tests/faults tests/security tests/train/malformed tests/train/test_kill.py tests/train/test_endurance.py \
	  tests/rnc/store/test_concurrency.py

load: $(VENV)/.dev ## 20 readers and 4 trainers on one store for ten minutes
	$(PY) -m tests.faults.load

soak: $(VENV)/.dev demo-if-empty ## a browser clicks through the store for an hour; the server's memory
	$(PY) -m tests.faults.soak --store "$(STORE)" --log out/faults/soak.log

bench: $(VENV)/.dev $(RIVALS)/.made ## speed against named baselines, a table each and JSON in out/benchmarks (most of an hour)
	$(PY) -m tests.benchmarks.metrics --json out/benchmarks/metrics.json
	$(RIVALS)/bin/python -W ignore -m tests.benchmarks.attacks --json out/benchmarks/attacks.json
	$(PY) -m tests.benchmarks.training --json out/benchmarks/training.json
	$(PY) -m tests.benchmarks.epoch_split --json out/benchmarks/epoch_split.json
	$(PY) -m tests.benchmarks.store --json out/benchmarks/store.json
	$(PY) -m tests.benchmarks.projection --json out/benchmarks/projection.json
	$(PY) -m tests.benchmarks.networks --json out/benchmarks/networks.json
	$(PY) -m tests.benchmarks.layerwise_memory

bench-pages: $(VENV)/.dev ## how long pages take, on the demo and 150 runs x 400 epochs, what acts of a visitor cost the server, and ten tasks of a new user (most of an hour)
	$(PY) -m tests.benchmarks.pages --json out/benchmarks/pages.json
	$(PY) -m tests.benchmarks.page_cost --json out/benchmarks/page_cost.json
	$(PY) -m tests.benchmarks.tasks --json out/benchmarks/tasks.json

readme-figures: $(VENV)/.dev demo-if-empty ## every number and picture of the README, from the store
	$(PY) docs/readme_figures.py "$(STORE)"

.PHONY: demo-if-empty
demo-if-empty: setup
	@$(PY) -m rnc.store "$(STORE)" || $(MAKE) --no-print-directory demo

gallery: $(VENV)/.dev ## the tables and figures of data/gallery/README.md and docs/findings.md, from the published runs
	$(PY) docs/gallery.py

lock: $(VENV)/.uv ## pin the newest versions that requirements*.txt allow, for every platform, in requirements.lock
	$(VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate --no-emit-index-url \
	  --custom-compile-command "make lock" requirements-dev.txt -o requirements.lock

clean: ## remove the environment and caches; the store stays
	rm -rf $(VENV) $(RIVALS) $(LAKE) $(OWN) $(MUTATION) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check uv
	touch $@

$(VENV)/.app: $(VENV)/.uv requirements.txt requirements.lock
	$(INSTALL) -r requirements.txt
	touch $@

$(RIVALS)/.made: $(VENV)/.uv requirements-rivals.txt
	$(PYTHON) -m venv --without-pip $(RIVALS)
	$(VENV)/bin/uv pip install --quiet --python $(RIVALS)/bin/python -r requirements-rivals.txt
	touch $@

$(LAKE)/.made: $(VENV)/.uv requirements-lake.txt requirements.txt
	$(PYTHON) -m venv --without-pip $(LAKE)
	$(VENV)/bin/uv pip install --quiet --python $(LAKE)/bin/python -r requirements.txt -r requirements-lake.txt pytest pytest-timeout hypothesis
	touch $@

$(OWN)/.made: $(VENV)/.uv requirements-own.txt requirements.txt
	$(PYTHON) -m venv --without-pip $(OWN)
	$(VENV)/bin/uv pip install --quiet --python $(OWN)/bin/python -r requirements.txt -r requirements-own.txt pytest pytest-timeout hypothesis
	touch $@

$(MUTATION)/.made: $(VENV)/.uv requirements-mutation.txt requirements-dev.txt requirements.txt
	$(PYTHON) -m venv --without-pip $(MUTATION)
	$(VENV)/bin/uv pip install --quiet --python $(MUTATION)/bin/python -r requirements-mutation.txt
	touch $@

$(VENV)/.dev: $(VENV)/.app requirements-dev.txt requirements-cluster.txt
	$(INSTALL) -r requirements-dev.txt
	touch $@
