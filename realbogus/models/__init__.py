"""Classifiers: the only home of Keras.

One file an architecture and one registry of them; ``training`` fits, ``storage`` saves and loads
with the recipe, ``prediction`` scores.
"""

import os

# Before the first import of TensorFlow, which otherwise reports on the hardware at each start.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
