"""What happens around a method: configuration, start, checkpoints, features, precision, metrics, results.

`trainers.base` puts these rooms together; a method's own file needs none of them.
"""
