"""Kinds of generator files, each recognised by its content."""
