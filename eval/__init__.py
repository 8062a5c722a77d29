"""Evaluation: questions with gold answers and evidence, and how well a system answers them, with intervals."""
