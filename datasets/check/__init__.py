"""Looking for what is wrong with a data set on disk: `python -m datasets.check NAME --root DATA`."""
