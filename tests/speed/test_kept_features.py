"""What speed/kept_features.py times computes no image feature."""

from argparse import Namespace

import pytest

from speed.kept_features import seconds
from trainers.life import features


def test_the_timed_run_computes_no_feature(world, monkeypatch):
    computed = []

    def compute(trainer, loader, before=features.compute):
        computed.append([item.impath for item in loader.dataset.data_source])
        return before(trainer, loader)

    monkeypatch.setattr(features, "compute", compute)
    monkeypatch.setattr(features, "_memory", type(features._memory)())
    assert seconds("SSText", Namespace(root=world.root, dataset="cells", shots=2)) > 0
    assert len(computed) == 2 and computed[0] != computed[1]  # of the training and of the test images, once each


def test_a_failed_run_is_no_time(tmp_path):
    (tmp_path / "cells").mkdir()
    (tmp_path / "cells" / "cells.json").write_text("{}")
    with pytest.raises(RuntimeError, match="SSText: "):
        seconds("SSText", Namespace(root=tmp_path, dataset="cells", shots=2))
