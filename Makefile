# Everything here is relative to this folder, whose name may contain spaces; make's own file targets cannot cope with
# those, so scripts/venv.sh decides whether .venv is up to date. GNU make 3.81 (macOS) is enough.
.DEFAULT_GOAL := help
SHELL := /bin/sh
export PYTHON PORT

PY := .venv/bin/python
# What `make run` installs: requirements/run.txt; LOCK=all adds the drivers of CouchDB, Firestore and DynamoDB.
LOCK ?= run
# What takes longer, CI and the curious run by name.
QUICK := not slow and not crash and not bench
# BACKEND=couchdb: that backend's tests, on its server; otherwise everything that needs no server.
ifdef BACKEND
TESTS := $(wildcard tests/db/test_$(BACKEND)*.py)
else
NO_SERVER := and not server
endif

.PHONY: help setup run demo test test-matrix check check-static slow crash bench mutants show-foundation show-backends show-migration audit format lock servers smoke-couchdb clean venv-run venv-dev venv-bench

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

setup: venv-dev ## make .venv with everything for development

venv-run:
	@sh scripts/venv.sh $(LOCK)
venv-dev:
	@sh scripts/venv.sh dev
venv-bench:
	@sh scripts/venv.sh bench

run: venv-run ## start Wherry on SQLite at http://127.0.0.1:8000 (PORT=8001 changes it)
	@$(PY) scripts/serve.py

demo: venv-run ## the same with sample data, on a database that is thrown away afterwards
	@$(PY) scripts/serve.py --demo

test: venv-dev ## the tests, without the slow ones (BACKEND=couchdb: only that backend's, on its server)
	@$(PY) -m pytest -m "$(QUICK) $(NO_SERVER)" $(TESTS) $(ARGS)

servers: venv-dev ## the tests on every database server that is here, or that WHERRY_REQUIRE names
	@$(PY) -m pytest -m "server and not slow and not bench" $(ARGS)

smoke-couchdb: venv-dev ## a look at the CouchDB backend on its stand-in from npm, where there is no CouchDB; proves nothing
	@TEST_COUCHDB=pouchdb $(PY) -m pytest -m "$(QUICK)" tests/db/test_couchdb.py $(ARGS)

test-matrix: venv-dev ## the application's own tests on each of the five databases (DATABASES="couchdb": only there)
	@$(PY) -m scripts.test_matrix $(DATABASES) -- $(ARGS)

check-static: venv-dev ## formatting, lint, types
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

check: check-static test slow crash servers ## what CI runs

slow: venv-dev ## tests that take longer, such as a start from a clean clone
	@$(PY) -m pytest -m "slow and not crash and not bench" $(ARGS)

crash: venv-dev ## tests that kill processes at random moments
	@$(PY) -m pytest -m "crash and not bench $(NO_SERVER)" $(TESTS) $(ARGS) || [ $$? -eq 5 ] # 5: there are none

mutants: venv-dev ## break the database layer in known ways and see the tests notice each
	@$(PY) scripts/mutants.py $(ARGS)

bench: venv-bench ## measure side by side with other libraries; writes build/bench.json
	@$(PY) -m bench $(ARGS)

show-foundation: venv-bench ## run all of it at full size and write docs/evidence/foundation.md
	@$(PY) -m scripts.show_foundation $(ARGS)

show-backends: venv-bench ## run all of CouchDB, Firestore and DynamoDB at full size; writes docs/evidence/backends.md
	@$(PY) -m scripts.show_backends $(ARGS)

show-migration: venv-bench ## run all of the migration at full size and write docs/evidence/migration.md
	@$(PY) -m scripts.show_migration $(ARGS)

audit: venv-dev ## look the locked versions up in the list of known vulnerabilities (asks the network)
	@$(PY) -m pip_audit --disable-pip --require-hashes --requirement requirements/all.txt

format: venv-dev ## format the code and mend what lint can
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

lock: venv-dev ## resolve the dependencies again into requirements/*.txt (ARGS=--upgrade for newer versions)
	@sh scripts/lock.sh $(ARGS)

clean: ## remove what the tools made (not .venv, not instance/)
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis
