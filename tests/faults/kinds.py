"""The kinds of faults: each is a function of a scene that disturbs a run, judges how it ended and says what it did."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmark.results import read_predictions, read_results
from tests.faults import damage, processes, sweeps
from tests.faults import world as worlds
from tests.faults.scene import VARIANTS, Scene, Wrong, check_one_error
from toolbox.errors import UserError


def killed_at_any_moment(scene: Scene) -> tuple[str, str]:
    """SIGKILL at random moments, up to three times; then the run may finish."""
    moments = [scene.random_moment() for _ in range(scene.rng.randint(1, 3))]
    for moment in moments:
        scene.run(kill_after=moment)
    what = f"killed after {', '.join(f'{m:.2f} s' for m in moments)} ({scene.hits} at work)"
    return what, scene.must_be_same(scene.run())


def killed_at_a_file_operation(scene: Scene) -> tuple[str, str]:
    """SIGKILL just before an operation on a file: the instants at which a checkpoint could be lost."""
    numbers = [scene.rng.randint(1, 120) for _ in range(scene.rng.randint(1, 3))]
    for number in numbers:
        scene.run(prepare=processes.killed_at_file_operation(number, scene.out))
    what = f"killed at file operations {', '.join(map(str, numbers))} ({scene.hits} at work)"
    return what, scene.must_be_same(scene.run())


def stopped_by_the_scheduler(scene: Scene) -> tuple[str, str]:
    """SIGTERM: exit code 143 (or the run was already done), then it goes on."""
    moment = scene.random_moment()
    end = scene.run(kill_after=moment, signal_number=signal.SIGTERM)
    if end.code not in (0, 128 + signal.SIGTERM, -signal.SIGTERM) or "Traceback" in end.error:
        raise Wrong(f"exit code {end.code} after SIGTERM: {end.error[-600:]}")
    return f"SIGTERM after {moment:.2f} s", scene.must_be_same(scene.run())


def disk_full(scene: Scene) -> tuple[str, str]:
    """No file can grow beyond a size; once there is room the run ends right."""
    size = int(2 ** scene.rng.uniform(9, 17))  # less would cut the error message itself
    end = scene.run(prepare=processes.no_file_beyond(size))
    if end.code != 0:
        check_one_error(end, [str(scene.folder)])
        if f" {scene.out}:" in end.error:
            raise Wrong(f"the error names the folder, not the file: {end.error}")
    return f"no file beyond {size} bytes", scene.must_be_same(scene.run())


def checkpoint_damaged(scene: Scene) -> tuple[str, str]:
    """A stopped run goes on from a damaged checkpoint."""
    folder = scene.out / worlds.FOLDERS[scene.method]
    scene.run(prepare=processes.killed_at_file_operation(scene.rng.randint(60, 150), scene.out))
    (scene.out / "result.json").unlink(missing_ok=True)  # else a finished run would be left alone
    files = _files([folder])
    if not files:
        return "no checkpoint yet", scene.must_be_same(scene.run())
    file = scene.rng.choice(files)
    return _damaged_then_run(scene, file, [file.name])


def weights_damaged(scene: Scene) -> tuple[str, str]:
    """The weights of a finished run are tested after damage."""
    scene.must_be_same(scene.run())
    file = scene.out / worlds.FOLDERS[scene.method] / f"model-{worlds.EPOCHS}.safetensors"
    what = _damage(scene, file)
    end = scene.run(argv=scene.evaluation())
    return what, scene.same_or_error(
        end, [file.name], lambda: worlds.Ending(scene.reference.weights, worlds.result_of(scene.again))
    )


def input_damaged(file: Callable[[Scene], Path]) -> Callable[[Scene], tuple[str, str]]:
    """The kind in which a file that a fresh run reads is damaged."""

    def kind(scene: Scene) -> tuple[str, str]:
        path = file(scene)
        return _damaged_then_run(scene, path, [path.name])

    kind.__doc__ = f"A fresh run meets a damaged file: {file.__name__.strip('_').replace('_', ' ')}."
    return kind


def kept_draw_damaged(scene: Scene) -> tuple[str, str]:
    """The few-shot draw that one run kept is damaged before the next."""
    scene.must_be_same(scene.run())
    shutil.rmtree(scene.out)
    (file,) = _files([scene.world.split.parent / "split_fewshot"])
    return _damaged_then_run(scene, file, [file.name])


def cache_damaged(scene: Scene) -> tuple[str, str]:
    """Caches of decoded images and of features, made by one run, are damaged before the next."""
    scene.must_be_same(scene.run())
    shutil.rmtree(scene.out)
    file = scene.rng.choice(_files([scene.world.data / "image_cache", scene.world.data / "feature_cache"]))
    return _damaged_then_run(scene, file, [file.stem])


def removed_under_the_run(scene: Scene) -> tuple[str, str]:
    """A file is removed while the run is at work; it is put back before the next start."""
    inputs = [scene.world.split, scene.world.rows, *scene.world.images()]
    moment, pick = scene.random_moment(), scene.rng.random()
    pid = processes.start(scene.argv, scene.log)
    time.sleep(moment)
    files = inputs if scene.rng.random() < 0.7 else [*_files([scene.out]), *inputs]
    file = files[int(pick * len(files))]
    with contextlib.suppress(OSError):
        kept = file.read_bytes()
        file.unlink()
    end = processes.wait(pid, scene.log)
    what = f"{file.name} removed after {moment:.2f} s"
    if file.is_relative_to(scene.out):  # the run's own output: what is left must do
        if end.code != 0:
            check_one_error(end, [file.name, str(scene.out)])
        (scene.out / "result.json").unlink(missing_ok=True)
        return what, scene.same_or_error(scene.run(), [file.name, str(scene.out)])
    scene.same_or_error(end, [file.name])
    if not file.exists():
        file.write_bytes(kept)
    return what, scene.must_be_same(scene.run())


def loader_killed(scene: Scene) -> tuple[str, str]:
    """One of the processes that load images is killed."""
    moment = scene.random_moment() / 2
    pid = processes.start(scene.argv, scene.log)
    time.sleep(moment)
    children = processes.first_children(pid, scene.seconds)
    for child in children[:1]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    end = processes.wait(pid, scene.log)
    if end.code != 0:
        check_one_error(end, [str(scene.out)])
    return f"{min(len(children), 1)} loading process killed after {moment:.2f} s", scene.must_be_same(scene.run())


def result_damaged(scene: Scene) -> tuple[str, str]:
    """The result of a finished run is damaged before a table is made of it, and before it is used."""
    return _finished_run_damaged(scene, "result.json")


def predictions_damaged(scene: Scene) -> tuple[str, str]:
    """The predictions of a finished run are damaged before a comparison is made of them."""
    return _finished_run_damaged(scene, "predictions.npz")


def rows_of_the_run_damaged(scene: Scene) -> tuple[str, str]:
    """The rows that a finished run kept are damaged before its weights are tested."""
    scene.must_be_same(scene.run())
    file = scene.out / "rows.safetensors"
    what = scene.rng.choice([damage.flip, damage.cut])(file, scene.rng)
    end = scene.run(argv=scene.evaluation())
    return what, scene.same_or_error(
        end, [file.name], lambda: worlds.Ending(scene.reference.weights, worlds.result_of(scene.again))
    )


def _finished_run_damaged(scene: Scene, name: str) -> tuple[str, str]:
    scene.must_be_same(scene.run())
    before = _shown(scene.out)
    file = scene.out / name
    what = scene.rng.choice([damage.flip, damage.cut])(file, scene.rng)  # without it, the log's rounded numbers count
    try:
        after = _shown(scene.out)
    except UserError as error:
        if file.name not in str(error):
            raise Wrong(f"the error does not name {file.name}: {error}") from error
        if name == "result.json":
            check_one_error(scene.run(), [file.name])
        return what, "one error, naming the file"
    if after != before:
        raise Wrong("a table would show other numbers, without a word")
    return what, "same numbers"


def _shown(folder: Path) -> tuple:
    """What a report says of the run in `folder`."""
    (result,) = read_results([folder])
    return result, read_predictions(result).digest


def _image(scene: Scene) -> Path:
    return scene.rng.choice(scene.world.images())


def _split(scene: Scene) -> Path:
    return scene.world.split


def _rows(scene: Scene) -> Path:
    return scene.world.rows


def _backbone(scene: Scene) -> Path:
    return scene.world.clip


def _damage(scene: Scene, file: Path) -> str:
    return scene.rng.choice([damage.flip, damage.flip, damage.cut, damage.remove])(file, scene.rng)


def _damaged_then_run(scene: Scene, file: Path, names: Iterable[str]) -> tuple[str, str]:
    """Damage `file`, run, judge; after an error, mend it and run again."""
    whole = file.read_bytes()
    what = _damage(scene, file)
    verdict = scene.same_or_error(scene.run(), list(names))
    if verdict != "same numbers":
        file.write_bytes(whole)
        scene.must_be_same(scene.run())
    return what, verdict


def _files(folders: Iterable[Path]) -> list[Path]:
    return sorted(file for folder in folders for file in folder.rglob("*") if file.is_file() and file.suffix != ".part")


@dataclass(frozen=True)
class Kind:
    """A kind of fault and the scenes it takes place in: variants by number (see `scene.VARIANTS`), image format, caches."""

    disturb: Callable[[Scene], tuple[str, str]]
    variants: tuple[int, ...] = tuple(range(len(VARIANTS)))
    suffix: str = ".png"
    cached: bool = False


KINDS = {
    "killed at any moment": Kind(killed_at_any_moment),
    "killed at a file operation": Kind(killed_at_a_file_operation),
    "stopped by the scheduler": Kind(stopped_by_the_scheduler),
    "disk full": Kind(disk_full, (0, 1, 2, 3)),
    "checkpoint damaged": Kind(checkpoint_damaged, (0, 1, 2, 3)),
    "final weights damaged": Kind(weights_damaged, (0, 1)),
    "rows damaged": Kind(input_damaged(_rows), (0,)),
    "split damaged": Kind(input_damaged(_split), (0, 1)),
    "image damaged (PNG)": Kind(input_damaged(_image), (0, 1, 4)),
    "image damaged (JPEG)": Kind(input_damaged(_image), (0, 1), suffix=".jpg"),
    "backbone damaged": Kind(input_damaged(_backbone), (0, 1)),
    "few-shot draw damaged": Kind(kept_draw_damaged, (0, 1)),
    "caches damaged": Kind(cache_damaged, (1,), cached=True),
    "file removed under the run": Kind(removed_under_the_run),
    "loading process killed": Kind(loader_killed, (4, 5)),
    "result damaged": Kind(result_damaged, (0, 1)),
    "sweep told to stop": Kind(sweeps.sweep_told_to_stop, (0, 1)),
    "sweep killed": Kind(sweeps.sweep_killed, (0, 1)),
    "predictions damaged": Kind(predictions_damaged, (0, 1)),
    "rows of the run damaged": Kind(rows_of_the_run_damaged, (0,)),
}
