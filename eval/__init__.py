"""Evaluation: questions with gold answers and evidence, and what a pipeline makes of them."""
