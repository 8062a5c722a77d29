"""Measures: pure functions over one question or over many. Larger is better, unless a docstring says otherwise."""
