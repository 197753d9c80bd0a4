"""Files for rows answer as `predict` does, whatever the batch; those that would not are not left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch

from convnets.checkpoints.table_model import TableModel
from convnets.cli.main import run as run_command
from convnets.errors import DataError, InputError, ModelFolderError
from convnets.series.unencoded import unencoded
from convnets.serving.export.rows import rows_export
from convnets.serving.export.rows.rows_export import export_rows
from convnets.serving.predictor import Predictor
from convnets.serving.table_predictor import TablePredictor, is_for_tables
from convnets.tables.load_table import load_table


@pytest.fixture(scope="module")
def files(row_models: dict[str, TableModel], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file of each model, and of one in the form tensor."""
    folder = tmp_path_factory.mktemp("onnx")
    for name in ("logs", "kinds", "tides"):
        found = export_rows(row_models[name], folder / f"{name}.onnx")
        assert (found.opset, found.rows, found.agreement) == (18, 0, None)
        assert found.error < 1e-5
    assert export_rows(row_models["prices"], folder / "tensor.onnx", form="tensor").form == "tensor"
    return folder


def test_what_the_file_says_is_enough_to_ask_it(
    files: Path, row_models: dict[str, TableModel], new_houses: pd.DataFrame
) -> None:
    """By its metadata alone rows are written out and answered, beside a plain loop over float64 numbers."""
    session = onnxruntime.InferenceSession(str(files / "logs.onnx"))
    about = json.loads(session.get_modelmeta().custom_metadata_map["convnets"])
    assert (about["form"], about["answers"]) == ("rows", ["price"])
    assert [each["name"] for each in about["columns"]] == ["area", "age", "town", "sold", "floor"]

    def cell(column: dict[str, object], value: object) -> float:
        if value is None or value != value:
            return float("nan")
        if column["kind"] == "date":
            return float((np.datetime64(str(value)) - np.datetime64("1970-01-01")).astype(int))
        if column["kind"] == "category":
            names = list(column["categories"])  # type: ignore[call-overload]
            return names.index(value) if value in names else -1
        return float(value)  # type: ignore[arg-type]

    rows = np.array(
        [
            [cell(each, row[each["name"]]) for each in about["columns"]]
            for row in new_houses.to_dict("records")
        ]
    )
    expected = []
    for row in rows:
        features = []
        for value, each in zip(row, about["encoder"]["columns"], strict=True):
            if each["encoder"] == "standardized":
                known = each["median"] if np.isnan(value) else value
                features.append((known - each["mean"]) / each["std"])
                features += [float(np.isnan(value))] if each["flag"] else []
                continue
            inner = each["edges"][1:-1] if each["encoder"] == "bins" else []
            count = len(inner) + 2 if inner else len(each["categories"]) + 2
            one = (
                count - 1
                if np.isnan(value)
                else sum(value >= edge for edge in inner)
                if inner
                else int(value)
            )
            features += [float(place == one) for place in range(count)]
        with torch.no_grad():
            network = row_models["logs"].network.double()
            answer = float(network(torch.tensor([features], dtype=torch.float64)))
        expected.append(np.exp(answer * about["target"]["std"][0] + about["target"]["mean"][0]))
    row_models["logs"].network.float()
    for count in (1, 2, 40):
        (values,) = session.run(None, {"inputs": rows[:count]})
        assert values.dtype == np.float64
        assert np.allclose(values[:, 0], expected[:count], rtol=1e-5)
    own = TablePredictor(row_models["logs"], "logs").predict(new_houses)
    assert np.allclose([each.values["price"] for each in own], expected, rtol=1e-5)


def test_the_library_reads_it_as_a_model_folder(
    files: Path,
    row_models: dict[str, TableModel],
    new_houses: pd.DataFrame,
    new_tides: pd.DataFrame,
    tmp_path: Path,
) -> None:
    new_tides.to_csv(tmp_path / "tides.csv", index=False)
    new_houses.assign(price=np.arange(40) + 1e5, kind="dear").to_csv(tmp_path / "houses.csv", index=False)
    for name, data in (("logs", "houses.csv"), ("kinds", "houses.csv"), ("tides", "tides.csv")):
        assert is_for_tables(files / f"{name}.onnx")
        own = TablePredictor(row_models[name], name).predict(tmp_path / data)
        again = TablePredictor.load(files / f"{name}.onnx").predict(tmp_path / data)
        for mine, theirs in zip(own, again, strict=True):
            for key, value in mine.values.items():
                same = theirs.values[key]
                assert (
                    same == value
                    if isinstance(value, str)
                    else same == pytest.approx(value, rel=1e-5, abs=1e-5)
                )
            assert theirs.probability == pytest.approx(mine.probability, abs=1e-5)
    raw = TablePredictor.load(files / "tensor.onnx").predict(new_houses)
    plain = TablePredictor(row_models["prices"], "prices").predict(new_houses)
    assert [each.values["price"] for each in raw] == pytest.approx([each.values["price"] for each in plain])
    judged = TablePredictor.load(files / "logs.onnx").evaluate(tmp_path / "houses.csv")
    own_judged = TablePredictor(row_models["logs"], "logs").evaluate(tmp_path / "houses.csv")
    assert judged.figures["mlp"] == pytest.approx(own_judged.figures["mlp"], rel=1e-4)
    with pytest.raises(DataError, match="is an ONNX file without its run"):
        TablePredictor.load(files / "logs.onnx").evaluate()


def test_a_program_of_pytorch_with_real_rows(
    row_models: dict[str, TableModel], new_houses: pd.DataFrame, tmp_path: Path
) -> None:
    table = load_table(new_houses, dates=["sold"])
    found = export_rows(row_models["kinds"], tmp_path / "kinds.pt2", examples=table)
    assert (found.rows, found.agreement, found.opset) == (40, 1.0, None)
    assert found.error < 1e-6
    extra = {"convnets": ""}
    program = torch.export.load(str(tmp_path / "kinds.pt2"), extra_files=extra).module()
    assert json.loads(extra["convnets"])["classes"] == ["cheap", "dear"]
    own = TablePredictor(row_models["kinds"], "kinds").predict(table)
    given = unencoded(row_models["kinds"].encoder).encode(table)  # type: ignore[arg-type]
    assert program(given).max(1).values.tolist() == pytest.approx(
        [each.probability for each in own], abs=1e-6
    )


def test_what_would_answer_otherwise_is_not_left(
    row_models: dict[str, TableModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        rows_export.ExportedRows, "forward", lambda self, inputs: inputs[:, :2].float() + 0.25
    )
    with pytest.raises(
        ModelFolderError, match=r"differ from predict's by .*; allowed: 0.0001. None was written"
    ):
        export_rows(row_models["kinds"], tmp_path / "kinds.pt2")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"ends in neither \.onnx nor \.pt2"):
        export_rows(row_models["kinds"], tmp_path / "kinds.bin")


def test_other_files_are_refused_in_a_line(files: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="a model of tables or series; allowed here: models of images"):
        Predictor.load(files / "kinds.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"x" * 50)
    assert not is_for_tables(tmp_path / "bad.onnx")
    with pytest.raises(ModelFolderError, match="is no ONNX file that runs here"):
        TablePredictor.load(tmp_path / "bad.onnx")


def test_the_command(
    files: Path,
    row_folders: Path,
    new_houses: pd.DataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ended(*arguments: object) -> tuple[object, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as status:
            run_command([str(each) for each in arguments])
        return status.value.code, *capsys.readouterr()

    new_houses.to_csv(tmp_path / "new.csv", index=False)
    status, out, err = ended("export", row_folders / "kinds", "-o", tmp_path / "k.onnx")
    assert status == 0
    assert "input rows, any batch size" in out
    assert "made-up examples, 1, 3 and 17 at once: largest difference from predict" in out
    assert "no rows to compare with" in err
    by_file = ended("predict", tmp_path / "k.onnx", tmp_path / "new.csv")[1]
    assert by_file == ended("predict", row_folders / "kinds", tmp_path / "new.csv")[1]
    for arguments, line in (
        (("export", row_folders / "kinds", "--int8"), "--int8 is for images"),
        (("export", row_folders / "kinds", "--to", "hub", "--corruptions"), "--corruptions is for images"),
        (
            ("export", row_folders / "tides", "--input", "rows"),
            "unknown input 'rows'; allowed: series, tensor",
        ),
        (("export", tmp_path / "k.onnx"), "is exported already"),
        (("explain", tmp_path / "k.onnx", tmp_path / "new.csv"), "is an ONNX file, which only answers"),
    ):
        status, _, err = ended(*arguments)
        assert (status, line in err, err.count("\n")) == (2, True, 1), err
