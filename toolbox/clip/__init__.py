"""A stand-in for OpenAI's `clip` package, built on open_clip; used where the real one cannot be imported."""
