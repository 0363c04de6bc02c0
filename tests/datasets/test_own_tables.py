"""`prepare csv`: tables of any layout; a row names exactly one file; who the patients are."""

from collections import Counter
from pathlib import Path

import pytest

from datasets.groups import group_column
from datasets.prepare.__main__ import main as prepare
from datasets.prepare.locate import plain_path
from datasets.prepare.tables import read_table
from datasets.split import PARTS, Split, read_split
from tests.datasets.pictures import picture
from toolbox.errors import UserError


@pytest.fixture
def csv(tmp_path, capsys):
    """Prepares `tmp_path/raw` by a table with this text; returns the split and what was printed."""

    def run(text: str, *more: str, name: str = "labels.csv") -> tuple[Split, str]:
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(text.encode())
        root = tmp_path / "data"
        arguments = ["csv", "--raw", str(tmp_path / "raw"), "--root", str(root), "--folder", "x", *more]
        try:
            prepare(arguments)
        except UserError as error:
            assert not root.exists() and "\n" not in str(error)
            raise
        return read_split(root / "x/x.json"), capsys.readouterr().out

    return run


def _pictures(base: Path, *names: str) -> None:
    for name in names:
        picture(base / name, format="PNG")


def _found(split: Split) -> dict[str, str]:
    return {item.path.removeprefix("images/"): item.classname for part in PARTS for item in split.part(part)}


def _rows(template: str, n: int = 8, head: str = "file,label\n") -> str:
    return head + "".join(template.format(i=i, c="ab"[i % 2]) + "\n" for i in range(n))


@pytest.mark.parametrize(
    "text",
    [
        "\ufefffile,label\r\nimg/0.png,a\r\nimg/1.png,b\r\n",
        "sep=;\nfile;label\nimg/0.png;a\nimg/1.png;b\n",
        "FILE\tLabel\n img/0.png\ta\nimg/1.png \tb\n\n\n",
        "file label\nimg/0.png a\n  img/1.png   b\n",
        'file;label (a, b or c)\n"img/0.png";a\nimg/1.png;b\n',
        "file|label\nimg/0.png|a\nimg/1.png|b\n",
        ",file,label\n0,img/0.png,a\n1,img/1.png,b\n,,\n",
    ],
)
def test_tables_of_many_kinds(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text.encode())
    rows = read_table(tmp_path / "t.csv")
    assert [[row[key] for key in row if key] for row in rows] == [["img/0.png", "a"], ["img/1.png", "b"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.png,x,y\n", r"line 2 has 3 values for 2 columns"),
        ("file,file\na.png,x\n", "two columns 'file'"),
        ("file,label\n", "has no rows"),
        ("", "has no rows"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "files", "found"),
    [
        (r"img\{i}.png", "img/{i}.png", "img/{i}.png"),
        ("./img//{i}.png", "img/{i}.png", "img/{i}.png"),
        ("raw/img/{i}.png", "img/{i}.png", "img/{i}.png"),
        (r"C:\data\raw\img\{i}.png", "img/{i}.png", "img/{i}.png"),
        ("{i}.png", "top/img/{i}.png", "top/img/{i}.png"),
        ("IMG/{i}.PNG", "top/img/{i}.png", "top/img/{i}.png"),
        ("{i}", "img/{i}.png", "img/{i}.png"),
        ("img/{i}", "top/img/{i}.png", "top/img/{i}.png"),
        ("1.2.{i}", "img/1.2.{i}.jpg", "img/1.2.{i}.jpg"),
        ("case{i}", "img/case{i}/a{i}.png", "img/case{i}/a{i}.png"),
    ],
)
def test_a_row_finds_its_file(csv, tmp_path, name, files, found):
    _pictures(tmp_path / "raw", *(files.format(i=i) for i in range(8)))
    split, _ = csv(_rows(name + ",{c}"))
    assert _found(split) == {found.format(i=i): "ab"[i % 2] for i in range(8)}


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        (
            "img/{i}.png",
            ["img/{i}.jpg"],
            r"8 of 8 rows name no image .*there is img/0\.jpg.*--path-template '{:stem}\.jpg'",
        ),
        (
            "test/{i}.png",
            ["train/{i}.png"],
            r"first: 'test/0\.png' \(there is train/0\.png: .* --path-template '{:name}'\)$",
        ),
        ("{i}.png", ["a/{i}.png", "b/{i}.png"], r"2 images are called '0\.png': a/0\.png and b/0\.png"),
        ("{i}", ["img/{i}.png", "img/{i}.jpg"], "2 images are called '0'"),
        ("p{i}", ["a/p{i}/1.png", "b/p{i}/1.png"], "may be the folder a/p0 or b/p0"),
        ("", ["img/{i}.png"], "8 of 8 rows name no image"),
    ],
)
def test_a_file_that_is_not_there_is_not_replaced(csv, tmp_path, name, files, message):
    for number, form in enumerate(files):
        for i in range(8):
            picture(tmp_path / "raw" / form.format(i=i), 16 + number)
    with pytest.raises(UserError, match=message):
        csv(_rows(name + ",{c}"))


def test_path_template(csv, tmp_path):
    _pictures(tmp_path / "raw", *(f"p{i % 4}/{i}.bmp" for i in range(8)))
    text = _rows("old/{i}.dcm,{i},{c}", head="file,Number X,label\n").replace("label\n", "label\n", 1)
    for template in ("{:stem}.bmp", "{Number X}.bmp", "{number_x:stem}.bmp"):
        split, _ = csv(text, "--path-template", template, "--overwrite")
        assert len(_found(split)) == 8
    for template in ("{none}.bmp", "{", "{file:%%}"):
        with pytest.raises(UserError, match=r"has no column 'none'|cannot be filled"):
            prepare(["csv", "--raw", str(tmp_path / "raw"), "--root", str(tmp_path / "y"), "--path-template", template])
    assert not (tmp_path / "y").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0.png,a\n0.png,b\n", "0.png is 'a' and '?'?b'?; an image has one label"),
        ("0.png,a\n1.png,nan\n", "1 of 2 rows have no label in column 'label', first: row 2"),
        ("0.png,a\n1.png,\n", "1 of 2 rows have no label"),
        ("0.png,a\n1.png,A\n", "'a' and 'A' are one name"),
        ("0.png,Basal_cell\n1.png,basal cell\n", "'Basal_cell' and 'basal cell' are one name"),
        ("0.png,a\n1.png,a\n", "all images are of one class, 'a'"),
    ],
)
def test_labels_that_are_refused(csv, tmp_path, rows, message):
    _pictures(tmp_path / "raw", "0.png", "1.png")
    with pytest.raises(UserError, match=message):
        csv("file,label\n" + rows)


def test_an_image_in_two_parts_or_of_two_patients_is_refused(csv, tmp_path):
    _pictures(tmp_path / "raw", *(f"{i}.png" for i in range(4)))
    with pytest.raises(UserError, match=r"0\.png is in 'train' and in 'test'; an image has one part"):
        csv("file,label,fold\n0.png,a,train\n0.png,a,Test\n1.png,b,train\n", "--part-column", "fold")
    with pytest.raises(UserError, match=r"0\.png is of patient '7' and of patient '8'"):
        csv("file,label,patient\n0.png,a,7\n0.png,a,8\n1.png,b,7\n")


@pytest.mark.parametrize("name", ["split", "Set", "fold", "anything"])
def test_a_column_of_nothing_but_parts_is_one_of_parts(csv, tmp_path, name):
    _pictures(tmp_path / "raw", *(f"{i}.png" for i in range(8)))
    lines = [f"{i}.png,{'ab'[i % 2]},{['Train', 'Train', 'TEST_SET', 'valid'][i // 2]}\n" for i in range(8)]
    split, out = csv(f"file,label,{name}\n" + "".join(lines))
    assert f"part {name!r}" in out
    found = {part: sorted(Path(item.path).stem for item in split.part(part)) for part in PARTS}
    assert found == {"train": list("0123"), "test": list("45"), "val": list("67")}


def test_two_columns_of_parts_are_asked_about_and_a_column_of_more_is_none(csv, tmp_path):
    _pictures(tmp_path / "raw", *(f"{i}.png" for i in range(8)))
    with pytest.raises(UserError, match=r"columns 'one', 'two' all hold train and test; say which .* --part-column"):
        csv(
            "file,label,one,two\n"
            + "".join(f"{i}.png,{'ab'[i % 2]},train,val\n" * (i < 4) for i in range(8))
            + "4.png,a,test,test\n"
        )
    _, out = csv("file,label,stage\n" + "".join(f"{i}.png,{'ab'[i % 2]},{'train' if i else 'III'}\n" for i in range(8)))
    assert "part 'none'" in out


def test_patient_in_two_parts_of_a_table_is_refused(csv, tmp_path):
    _pictures(tmp_path / "raw", *(f"{i}.png" for i in range(8)))
    text = _rows("{i}.png,{c},{i}", head="file,label,patient id\n").replace(",7\n", ",0\n")
    parts = text.replace("id\n", "id,fold\n", 1).splitlines()
    text = "\n".join([parts[0], *(f"{row},{'train' if n < 5 else 'test'}" for n, row in enumerate(parts[1:]))])
    with pytest.raises(
        UserError, match="1 of 7 patients are in two parts of the download, first '0' in test and train"
    ):
        csv(text, "--part-column", "fold")


PATIENTS = [
    "patient",
    "Patient ID",
    "patientid",
    "PatientID",
    "PATIENT_ID",
    "patient-no",
    "Patient Number",
    "id_patient",
]
SUBJECTS = ["subject", "SubjectID", "anon_patient_id", "participant", "MRN", "case", "Case Num", "eye_id", "lesion_id"]


@pytest.mark.parametrize("name", [*PATIENTS, *SUBJECTS, "group", "StudyInstanceUID", "series"])
def test_columns_of_patients(name):
    assert group_column([{"image": "1", name: "x1"}, {"image": "2", name: "x2"}]) == (name, [])


@pytest.mark.parametrize(
    "name", ["Patient Age", "patient_sex", "PatientPosition", "eye", "showcase", "grouping", "label"]
)
def test_columns_that_are_not_patients(name):
    assert group_column([{name: "left"}, {name: "right"}]) == (None, [])


def test_patients_go_before_lesions_and_studies():
    rows = [{"study": "s1", "lesion_id": "2", "Case": "3", "subject_id": "4"}]
    assert group_column(rows) == ("subject_id", ["Case", "lesion_id", "study"])
    assert group_column(rows, ["subject_id"])[0] == "Case"
    assert group_column([{"patient": "", "lesion": "l1"}, {"patient": "nan", "lesion": "l2"}])[0] == "lesion"


def test_rows_without_a_patient_are_told_and_are_not_one_patient(csv, tmp_path):
    _pictures(tmp_path / "raw", *(f"{i}.png" for i in range(12)))
    text = _rows("{i}.png,{c},{i}", 12, "file,label,patient\n").replace(",0\n", ",1\n")
    for i in range(6, 12):
        text = text.replace(f",{i}\n", ",NaN\n")
    split, printed = csv(text)
    assert "5 of 12 images; 6 images have none there" in printed and len(split.groups) == 6


def test_folder_a_row_and_pattern(csv, tmp_path):
    _pictures(tmp_path / "raw", *(f"top/case{i}/{j}-{i}.png" for i in range(6) for j in range(3)))
    split, printed = csv(_rows("case{i}/,{c}", 6), "--group-pattern", "(case[0-9])")
    assert Counter(_found(split).values()) == {"a": 9, "b": 9} and set(split.groups.values()) == {
        f"case{i}" for i in range(6)
    }
    assert [len(split.part(part)) for part in PARTS] == [6, 6, 6] and "by '(case[0-9])'" in printed


def test_images_of_one_row_stay_in_one_part(csv, tmp_path):
    _pictures(tmp_path / "raw", *(f"study{i}/{i}-{j}.png" for i in range(10) for j in range(3)))
    split, printed = csv(_rows("study{i},{c}", 10))
    where = {part: {Path(item.path).parent.name for item in split.part(part)} for part in PARTS}
    assert sum(map(len, where.values())) == 10 and all(where.values())
    assert "images of one row's folder stay together" in printed


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        (
            "image,a,b,ok\n0,1,0,1\n1,0,1,0\n",
            [],
            r"1 of 2 rows are not of one class of a, b, ok: row 1 has 2 \(a, ok\)",
        ),
        ("image,a,b\n0,1,1\n1,0,0\n", [], r"2 of 2 rows .* row 1 has 2 \(a, b\)"),
        ("image,a,b\n0,1,0\n1,0,-1\n", ["a", "b"], "1 of 2 rows"),
        ("image,age\n0,30\n1,40\n", [], "not of one class of none"),
    ],
)
def test_one_hot_that_is_refused(csv, tmp_path, text, more, message):
    _pictures(tmp_path / "raw", "0.png", "1.png")
    with pytest.raises(UserError, match=message):
        csv(text, "--one-hot", *more)


def test_table_elsewhere_and_images_in_no_row(csv, tmp_path):
    _pictures(tmp_path / "raw", *(f"{i}.png" for i in range(9)))
    (tmp_path / "mine.txt").write_text(_rows("{i}.png {c}", head=""))
    split, printed = csv("none", "--table", str(tmp_path / "mine.txt"), "--columns", "file", "label", name="notes.txt")
    assert len(_found(split)) == 8 and "1 images of the download are in no row of mine.txt" in printed
    assert "left out: 1 .txt" in printed


def test_plain_paths():
    assert [plain_path(p) for p in (r"C:\a\b.png", " ./a//b/ ", "/a/b")] == ["a/b.png", "a/b", "a/b"]
