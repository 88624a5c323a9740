"""Dictionaries of features, one family a file."""
