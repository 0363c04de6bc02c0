"""What a language model knows of a class: the question put to it, extraction of hidden states, the store of rows."""
