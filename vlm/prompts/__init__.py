"""What is put into the towers: contexts, deep prompts, rows of a language model and their interventions."""
