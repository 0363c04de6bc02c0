from toolbox.errors import UserError, nearest


def test_the_nearest_names_come_first():
    assert nearest("CoOpp", ["MaPLe", "CoOp", "CoCoOp"]) == "nearest: CoOp, CoCoOp"
    assert nearest("xyz", ["b", "a"]) == "known: a, b"


def test_a_workers_traceback_is_left_out():
    text = (
        "Caught UserError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        "  ...\ntoolbox.errors.UserError: cannot read the image 7.png\n"
    )
    assert str(UserError(text)) == "cannot read the image 7.png"
