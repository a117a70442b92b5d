"""Figures: the only home of matplotlib and of Pillow."""
