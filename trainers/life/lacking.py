"""What a run's data may lack, and which methods can do without."""

from toolbox.errors import UserError
from trainers.life.run import Run


def check_images(run: Run) -> None:
    """Say which classes have no training images.

    Raises:
        UserError: the method needs images of every class, or validation images, and there are none.
    """
    data, name = run.dm.dataset, type(run).__name__
    have = {item.label for item in data.train_x}
    missing = ", ".join(classname for label, classname in data.lab2cname.items() if label not in have)
    if missing and run.needs_every_class:
        raise UserError(f"{name} needs training images of every class; there are none of {missing}")
    if missing:
        print(f"Without training images, by their text alone: {missing}")
    if run.trains and not data.val and run.cfg.TEST.FINAL_MODEL == "best_val":
        raise UserError(
            f"{name}: there are no validation images to choose an epoch by; give TEST.FINAL_MODEL last_step"
        )
