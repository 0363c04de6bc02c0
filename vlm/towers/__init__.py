"""The frozen towers themselves: blocks, attention, text, BERT and vision, with places where prompts go in."""
