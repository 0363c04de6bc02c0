"""The version of the project: `cilmp.__version__`, and in every result.json."""

VERSION = "0.2.0"
