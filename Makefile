# make demo   the whole pipeline on a simulated survey: demo/training/plots.png
# make test   the checks and the tests, as continuous integration runs them

VENV ?= .venv
BIN := $(VENV)/bin
DEMO := demo
NIGHTS := 58310-58312
# What only the tests need: program=package
TEST_TOOLS := rsync=rsync mariadbd=mariadb-server ssh=openssh-client sshd=openssh-server

.PHONY: help demo test test-long check format images clean
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# make/make/p' Makefile

$(VENV)/.installed: requirements.txt pyproject.toml
	@tools/environment.sh $(VENV) -e '.[dev]'

$(DEMO)/survey/config.yaml: | $(VENV)/.installed
	@echo "== simulating a survey in $(DEMO)/survey"
	@rm -rf $(DEMO)/survey
	@$(BIN)/python simulateSurvey.py $(DEMO)/survey --mjds $(NIGHTS) --exposures 12 --size 2048 \
	    --asteroids 100 --garbage 400 --detections 100

demo: $(VENV)/.installed $(DEMO)/survey/config.yaml
	@echo "== running all four tasks; everything they make is in $(DEMO)/training"
	@$(BIN)/python atlasClassificationPipeline.py PlotResults --local-scheduler \
	    --stampLocation $(DEMO)/training \
	    --GetCutOuts-configFile $(DEMO)/survey/config.yaml --GetCutOuts-mjds $(NIGHTS)
	@echo "== the picture is $(DEMO)/training/plots.png; its operating points:"
	@$(BIN)/python -m realbogus describe $(DEMO)/training/plots.png --results

test: check
	@tools/test_tools.sh $(TEST_TOOLS)
	@$(BIN)/python -m pytest

# make test-long   the simulations that take minutes
test-long: $(VENV)/.installed
	@$(BIN)/python -m pytest -m long

check: $(VENV)/.installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/codespell *.md *.py *.toml *.example Makefile benchmarks docs realbogus tests tools

format: $(VENV)/.installed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# make images   the pictures of the README, from the demo
images: demo
	@$(BIN)/python tools/images.py imgs
	@$(BIN)/python -m realbogus.simulation.montage $(DEMO)/survey imgs/simulated_stamps.png
	@cp $(DEMO)/training/plots.png imgs/roc_tradeoff.png

clean:
	rm -rf $(DEMO) .pytest_cache .mypy_cache .ruff_cache .hypothesis
