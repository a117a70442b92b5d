# make demo   the whole pipeline on a simulated survey: demo/training/plots.png
# make test   the checks and the tests, as continuous integration runs them

VENV ?= .venv
BIN := $(VENV)/bin
DEMO := demo
NIGHTS := 58310-58312
# Files of tests side by side: each core has its own, and its own servers.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile
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
	@$(BIN)/python -m pytest $(PARALLEL)

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

# make images   the pictures of the README and of docs/, from the demo; needs chromium
TRAINING := $(DEMO)/training
PICTURES := $(DEMO)/pictures
images: demo
	@rm -rf $(PICTURES)
	@$(BIN)/python tools/images.py imgs
	@$(BIN)/python -m realbogus.simulation.montage $(DEMO)/survey imgs/simulated_stamps.png
	@cp $(TRAINING)/plots.png imgs/roc_tradeoff.png
	@echo "== scoring the confirmed and the good objects"
	@$(BIN)/python tools/known_objects.py $(DEMO)/survey $(TRAINING)/model.h5 \
	    $(TRAINING)/dataset.h5 $(PICTURES) --mjds $(NIGHTS)
	@$(BIN)/python plotResults.py $(TRAINING)/scores.csv --mdr 0.04 \
	    --recall $(PICTURES)/confirmed.csv $(PICTURES)/good.csv --outputFile $(PICTURES)/recall.png
	@cp $(PICTURES)/recall.png imgs/recall_confirmed_and_good.png
	@echo "== comparing a classifier of one epoch with that of the demo; it is worse"
	@$(BIN)/python kerasTensorflowClassifier.py $(TRAINING)/dataset.h5 --epochs 1 \
	    --classifierfile $(PICTURES)/hasty.h5 --outputcsv $(PICTURES)/hasty.csv
	-@$(BIN)/python -m realbogus compare $(TRAINING)/scores.csv $(PICTURES)/hasty.csv \
	    --dataset $(TRAINING)/dataset.h5 --out $(PICTURES)/comparison.png
	@cp $(PICTURES)/comparison.png docs/comparison.png
	@$(BIN)/python -m realbogus report $(TRAINING)/scores.csv --dataset $(TRAINING)/dataset.h5 \
	    --out $(PICTURES)/report.html
	@tools/screenshot.sh $(PICTURES)/report.html docs/report.png 1280 2130
	@tools/screenshot.sh $(PICTURES)/report.html docs/report_narrow.png 500 1330

clean:
	rm -rf $(DEMO) .pytest_cache .mypy_cache .ruff_cache .hypothesis
