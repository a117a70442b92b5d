"""Classifiers: the only home of Keras.

One file an architecture and one registry of them; ``training`` fits, ``storage`` saves and loads
with the recipe, ``prediction`` scores. ``files`` needs no Keras.
"""
