#!/usr/bin/env bash
# Other kinds of cell for the data set `phantom`: kinds, names, division, images, descriptions, sentences and rows. Usage: new_world.sh SEED
. "$(dirname "${BASH_SOURCE[0]}")/../lib/env.sh"
use_python requirements.txt
"$PYTHON" -m datasets.phantom --world "${1:?usage: new_world.sh SEED}"
"$PYTHON" -m llm.sentences.composed
exec "$PYTHON" -m llm.extract --dataset phantom phantom-paraphrased --output llm/rows --overwrite
