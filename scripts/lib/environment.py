"""Find a Python that has the pinned requirements, or make `.venv` with them; print the interpreter's path.

    python3 scripts/lib/environment.py requirements.txt [more requirement files]

Only the standard library is used, and installed versions are read from package metadata: nothing heavy is imported,
so the answer takes a fraction of a second when everything is there. Messages go to standard error.
"""

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST = (3, 11)  # numpy 2.4 and scipy 1.17 ask for it


def say(line):
    print(line, file=sys.stderr, flush=True)


def fail(line):
    say("error: " + line)
    sys.exit(2)


def pins(files):
    """{distribution: version} of the `name==version` lines of requirement files."""
    lines = [line.split("#")[0].strip() for file in files for line in Path(file).read_text().splitlines()]
    return dict(line.split("==", 1) for line in lines if "==" in line)


def missing(files):
    """The pins that the running interpreter lacks or has in another version (a build tag such as +cpu is ignored)."""

    def installed(name):
        try:
            return metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            return None

    return ["{}=={}".format(*pin) for pin in pins(files).items() if installed(pin[0]) != pin[1]]


def missing_in(python, files):
    """What `missing` says inside another interpreter, or None where that interpreter does not run."""
    command = [str(python), __file__, "--missing", *map(str, files)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
    )
    return None if done.returncode else done.stdout.split()


@contextmanager
def only_one(path):
    """Hold a lock file, so that two scripts started together do not install at once; the system frees it if we die."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        fail(
            f"{path.parent}: {error.strerror}; say where the environment may be made (CILMP_VENV=/a/folder/of/yours), "
            "or name a Python that has the requirements (PYTHON=...)"
        )
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another script is installing the requirements; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def base_python():
    """A Python new enough to make the environment with: the running one, or another found on the PATH."""
    if sys.version_info[:2] >= OLDEST:
        return sys.executable
    test = f"import sys, venv; sys.exit(sys.version_info[:2] < {OLDEST!r})"
    for name in (f"python3.{minor}" for minor in (13, 12, 11)):
        found = shutil.which(name)
        if found and subprocess.run([found, "-c", test], stderr=subprocess.DEVNULL).returncode == 0:
            return found
    return fail(f"Python 3.{OLDEST[1]} or newer is needed; {sys.executable} is {sys.version.split()[0]}")


def install(venv, files):
    """Make or complete the environment; a marker tells the next start that this one was cut short."""
    python, marker = venv / "bin" / "python", venv / ".installing"
    if marker.exists() or (venv.exists() and missing_in(python, files) is None):
        say(f"An earlier installation into {venv} was cut short or is broken: making it again.")
        shutil.rmtree(venv)
    base = base_python()
    if not venv.exists():
        say(
            "Making {} and installing {} into it (a few minutes, once).".format(
                venv, ", ".join(Path(f).name for f in files)
            )
        )
        venv.mkdir(parents=True)
        marker.touch()
        if subprocess.run([base, "-m", "venv", str(venv)], stdout=2, stdin=subprocess.DEVNULL).returncode:
            fail(f"`{base} -m venv` failed: install Python's venv module (Debian: apt-get install python3-venv)")
    else:
        say("Completing {}: {}".format(venv, " ".join(missing_in(python, files))))
        marker.touch()
    wanted = [argument for file in files for argument in ("-r", str(file))]
    quiet = [] if sys.stderr.isatty() else ["--progress-bar", "off", "--quiet"]
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *quiet, *wanted]
    if subprocess.run(command, stdout=2, stdin=subprocess.DEVNULL).returncode:
        fail(
            "installing {} failed (pip's reason is above); the next start tries again".format(" ".join(map(str, files)))
        )
    marker.unlink()


def find(venv, files):
    """The interpreter to use: $PYTHON as given, the current one, or the environment's, which is made where needed."""
    chosen = os.environ.get("PYTHON")
    if chosen:
        lacking = missing_in(chosen, files)
        if lacking is None:
            fail(f"PYTHON={chosen} does not run")
        if lacking:
            say(
                "warning: PYTHON={} is used as you ask, though it differs from the pins: {}".format(
                    chosen, " ".join(lacking)
                )
            )
        return chosen
    if sys.version_info[:2] >= OLDEST and not missing(files):
        return sys.executable
    python = venv / "bin" / "python"

    def ready():
        return python.exists() and not (venv / ".installing").exists() and missing_in(python, files) == []

    if not ready():
        with only_one(venv.with_name(venv.name + ".lock")):
            if not ready():
                install(venv, files)
                say(f"Installed: {python}")
    return python


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", help="requirement files with name==version lines")
    parser.add_argument("--missing", action="store_true", help="print what this interpreter lacks, and stop")
    parser.add_argument(
        "--venv",
        type=Path,
        default=os.environ.get("CILMP_VENV") or ROOT / ".venv",
        help="where the environment is made (default: $CILMP_VENV, else .venv)",
    )
    args = parser.parse_args()
    if args.missing:
        print("\n".join(missing(args.files)))
        return
    try:
        print(find(args.venv.absolute(), args.files))
    except OSError as error:  # a full disk, most likely
        fail(f"{error.filename or args.venv}: {error.strerror}; CILMP_VENV=/a/folder makes the environment elsewhere")


if __name__ == "__main__":
    main()
