"""From the public release of a data set to images and a split: `python -m datasets.prepare NAME --raw DOWNLOAD --root DATA`."""
