"""One small file a verb of `python -m cilmp`; each has `main(argv)`, which returns the exit code."""
