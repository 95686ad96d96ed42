"""Speed, measured: nncore beside NumPy and PyTorch. Run it as `python -m bench`; docs/benchmarks.md says how."""
