"""A data set is four lists of labelled image files: train_x, train_u (without labels), val and test."""

import random
import tarfile
import zipfile
from collections import defaultdict
from pathlib import Path

from dassl.utils import download_url
from toolbox.errors import UserError


class Datum:
    """One image file (`impath`) with its class (`label` from 0, `classname`) and `domain`; UserError if no such file."""

    def __init__(self, impath: str = "", label: int = 0, domain: int = 0, classname: str = "") -> None:
        if not Path(impath).is_file():
            raise UserError(f"image not found: {impath}")
        self._impath = impath
        self._label = label
        self._domain = domain
        self._classname = classname

    @property
    def impath(self) -> str:
        return self._impath

    @property
    def label(self) -> int:
        return self._label

    @property
    def domain(self) -> int:
        return self._domain

    @property
    def classname(self) -> str:
        return self._classname


class DatasetBase:
    """Subclasses read their files and hand the lists to `super().__init__`; the classes are those of train_x."""

    dataset_dir = ""  # folder of the data set under DATASET.ROOT
    domains: list[str] = []

    def __init__(
        self,
        train_x: list[Datum] | None = None,
        train_u: list[Datum] | None = None,
        val: list[Datum] | None = None,
        test: list[Datum] | None = None,
    ) -> None:
        if not train_x:
            raise UserError(f"{type(self).__name__}: there are no training images")
        self._train_x = train_x
        self._train_u = train_u
        self._val = val
        self._test = test
        self._num_classes = self.get_num_classes(train_x)
        self._lab2cname, self._classnames = self.get_lab2cname(train_x)

    @property
    def train_x(self) -> list[Datum]:
        return self._train_x

    @property
    def train_u(self) -> list[Datum] | None:
        return self._train_u

    @property
    def val(self) -> list[Datum] | None:
        return self._val

    @property
    def test(self) -> list[Datum] | None:
        return self._test

    @property
    def lab2cname(self) -> dict[int, str]:
        return self._lab2cname

    @property
    def classnames(self) -> list[str]:
        return self._classnames

    @property
    def num_classes(self) -> int:
        return self._num_classes

    @staticmethod
    def get_num_classes(data_source: list[Datum]) -> int:
        """Highest label plus one."""
        return max(item.label for item in data_source) + 1

    @staticmethod
    def get_lab2cname(data_source: list[Datum]) -> tuple[dict[int, str], list[str]]:
        """Class name of each label, and the names in the order of labels."""
        names = {item.label: item.classname for item in data_source}
        names = dict(sorted(names.items()))
        return names, list(names.values())

    def check_input_domains(self, source_domains: list[str], target_domains: list[str]) -> None:
        """UserError unless both lists name domains of this data set."""
        for key, chosen in (("SOURCE_DOMAINS", source_domains), ("TARGET_DOMAINS", target_domains)):
            if not chosen:
                raise UserError(f"DATASET.{key} is empty; known: {', '.join(self.domains)}")
            self.is_input_domain_valid(chosen)

    def is_input_domain_valid(self, input_domains: list[str]) -> None:
        """UserError at the first name that is no domain of this data set."""
        for domain in input_domains:
            if domain not in self.domains:
                raise UserError(f'unknown domain "{domain}"; known: {", ".join(self.domains)}')

    def download_data(self, url: str, dst: str, from_gdrive: bool = True) -> None:
        """Fetch an archive (.zip, .tar, .tar.gz) to `dst` and unpack it beside itself."""
        if from_gdrive:
            raise UserError(f"download {url} with a browser (Google Drive), put it at {dst} and start again")
        download_url(url, dst)
        folder = Path(dst).parent
        if zipfile.is_zipfile(dst):
            with zipfile.ZipFile(dst) as archive:
                archive.extractall(folder)
        elif tarfile.is_tarfile(dst):
            with tarfile.open(dst) as archive:
                archive.extractall(folder, filter="data")  # refuses members outside the folder
        else:
            raise UserError(f"{dst} is neither a zip nor a tar archive: delete it and start again")

    def generate_fewshot_dataset(
        self,
        *data_sources: list[Datum],
        num_shots: int = -1,
        repeat: bool = False,
    ) -> list[Datum] | list[list[Datum]]:
        """Draw `num_shots` items a class (Python's random state) from each list; below 1 the lists come back unchanged.

        A class with fewer is taken whole, or drawn with replacement if `repeat`. One list gives one list.
        """
        if num_shots >= 1:
            print(f"Creating a {num_shots}-shot dataset")
            drawn = [self._draw(source, num_shots, repeat) for source in data_sources]
        else:
            drawn = list(data_sources)
        return drawn[0] if len(drawn) == 1 else drawn

    def _draw(self, source: list[Datum], num_shots: int, repeat: bool) -> list[Datum]:
        chosen: list[Datum] = []
        for items in self.split_dataset_by_label(source).values():
            if len(items) >= num_shots:
                chosen += random.sample(items, num_shots)
            else:
                chosen += random.choices(items, k=num_shots) if repeat else items
        return chosen

    def split_dataset_by_label(self, data_source: list[Datum]) -> dict[int, list[Datum]]:
        """The items of each label."""
        groups = defaultdict(list)
        for item in data_source:
            groups[item.label].append(item)
        return groups

    def split_dataset_by_domain(self, data_source: list[Datum]) -> dict[int, list[Datum]]:
        """The items of each domain."""
        groups = defaultdict(list)
        for item in data_source:
            groups[item.domain].append(item)
        return groups
