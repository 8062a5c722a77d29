# Every target makes the virtual environment it needs on first use. `make run` and `make test` are
# all a fresh machine with Python 3.11 to 3.13 needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The CPU build of torch is a tenth of the size of the one with CUDA, which the package index serves
# by default on Linux. Set TORCH_INDEX= (empty) to take that one, for a GPU.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Folder of the public data.
DATA ?= ../shared/data

.PHONY: run test check screenshots eval eval-gate eval-full model-figures train train-embedder train-reader build clean

run: $(VENV)/.run
	$(BIN)/python app.py

test: $(VENV)/.test
	$(BIN)/python -m tests.browser.find
	$(BIN)/python -m pytest

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The README's pictures of the page.
screenshots: $(VENV)/.test
	$(BIN)/python -m tests.browser.screenshots

# Our own questions, their development split, with all reference systems. ARGS adds options, see README.md.
eval: $(VENV)/.run
	$(BIN)/python -m eval $(ARGS)

# The quick tier: fails where the program has got worse since eval/data/baseline.jsonl was written.
eval-gate: $(VENV)/.run
	$(BIN)/python -m eval --reference none --baseline eval/data/baseline.jsonl

# The full tier: both splits, a corpus 10 and 100 times as large, the public sets, and the simulations.
eval-full: $(VENV)/.run
	$(BIN)/python -m eval --growth 10 100 --distractors $(DATA)/news
	$(BIN)/python -m eval --split test
	$(BIN)/python -m eval --data $(DATA) --public cmrc2018 drcd xquad-zh xquad-en xquad-en-zh crud-news --jobs 2
	$(BIN)/python -m eval.simulate

# The tables of models.md: each arm of the search and the reader alone, with intervals, on the public data.
model-figures: $(VENV)/.run
	$(BIN)/python -m bench.retrieval --data $(DATA)
	$(BIN)/python -m bench.reader --data $(DATA)

# Makes the bundled models and tables anew from the public data in DATA (see training/README.md).
train: $(VENV)/.test
	$(BIN)/python -m training.lexicon --data $(DATA)
	$(BIN)/python -m training.dictionary --data $(DATA)
	$(BIN)/python -m training.boundaries --data $(DATA)
	$(BIN)/python -m training.translations --data $(DATA)
	$(BIN)/python -m training.term_recall --data $(DATA)
	$(MAKE) train-embedder train-reader

# Both go on from their last checkpoint in build/ where they were killed. ARGS adds options.
train-embedder: $(VENV)/.test
	$(BIN)/python -m training.train_embedder --data $(DATA) $(ARGS)

train-reader: $(VENV)/.test
	$(BIN)/python -m training.train_reader --data $(DATA) $(ARGS)
	$(BIN)/python -m training.calibrate_reader --data $(DATA)
	$(BIN)/python -m training.reader_card --data $(DATA)

build: $(VENV)/.test
	$(BIN)/python -m build --no-isolation

$(VENV)/.run: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import torch' 2>/dev/null || $(PIP) --no-deps $(TORCH) --retries 1 $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	$(PIP) --constraint constraints.txt --editable '.[eval]'
	touch $@

$(VENV)/.test: $(VENV)/.run
	$(PIP) --constraint constraints.txt --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build dist
