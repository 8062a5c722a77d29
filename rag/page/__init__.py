"""The web page and what programs ask of its server: Gradio's server mode with pages of our own.

`server` builds it; `app.py` and `rag serve` start it. The rest of `rag` knows nothing of it.
"""
