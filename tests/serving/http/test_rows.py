"""Rows of tables and series over HTTP: the answers of `predict`, in whatever form they come, or one line."""

from __future__ import annotations

import io
import json
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from convnets.checkpoints.table_model import TableModel
from convnets.core.hardware import choose_hardware
from convnets.serving.http.limits import Limits
from convnets.serving.http.served_model import ServedModel
from convnets.serving.http.service import Service
from convnets.serving.http.telemetry import RequestLog
from convnets.serving.table_predictor import RowPrediction, TablePredictor

from .conftest import served

CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"


def service_of(folder: Path, names: list[str], **limits: float) -> Service:
    hardware = choose_hardware("cpu", "fp32", 2)
    models = {name: ServedModel(name, folder / name, hardware) for name in names}
    return Service(models, Limits(**limits), RequestLog(quiet=True))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def client(row_folders: Path) -> Iterator[TestClient]:
    with served(service_of(row_folders, ["prices", "kinds", "logs", "tides", "flat", "waves"])) as found:
        yield found


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {key: None if value != value else value for key, value in row.items()}
        for row in frame.to_dict("records")
    ]


def post(
    client: TestClient, model: str, content: str | bytes, kind: str = JSON, **options: Any
) -> list[dict[str, Any]]:
    answer = client.post(
        "/predict", params={"model": model, **options}, content=content, headers={"content-type": kind}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"]["name"] == model
    found: list[dict[str, Any]] = answer.json()["predictions"]
    return found


def same(found: list[dict[str, Any]], expected: list[RowPrediction]) -> bool:
    assert len(found) == len(expected)
    for own, alone in zip(found, expected, strict=True):
        assert own["row"] == alone.row
        for key, value in alone.values.items():
            close = value if isinstance(value, str) else pytest.approx(value, rel=1e-5, abs=1e-6)
            assert own["values"][key] == close
        if alone.probability is not None:
            assert (own["label"], own["top"][0]["class"]) == (*alone.values.values(), own["label"])
            assert own["confidence"] == pytest.approx(alone.probability, abs=1e-6)
    return True


def test_every_form_of_a_table_gives_the_answers_of_predict(
    client: TestClient, row_models: dict[str, TableModel], new_houses: pd.DataFrame, tmp_path: Path
) -> None:
    for name in ("prices", "logs", "kinds"):
        expected = TablePredictor(row_models[name], name).predict(new_houses)
        rows = records(new_houses)
        turned = [dict(reversed(list(row.items()))) | {"more": [1]} for row in rows]
        assert same(post(client, name, json.dumps({"rows": rows})), expected)
        assert same(post(client, name, json.dumps({"rows": turned})), expected)  # by name, others passed over
        assert same(post(client, name, new_houses.to_csv(index=False), CSV), expected)
        commas = new_houses[new_houses.columns[::-1]].to_csv(index=False, sep=";", decimal=",")
        assert same(post(client, name, "\ufeff" + commas, CSV), expected)
    assert len({each.values["price"] for each in expected} if name != "kinds" else {1, 2}) > 1


def test_every_form_of_series_gives_the_answers_of_predict(
    client: TestClient, row_models: dict[str, TableModel], new_tides: pd.DataFrame, tmp_path: Path
) -> None:
    new_tides.to_csv(tmp_path / "tides.csv", index=False)
    for name in ("tides", "flat"):
        expected = TablePredictor(row_models[name], name).predict(tmp_path / "tides.csv")
        assert len(expected) == 25  # windows of 16 in 40 steps, the last one too
        assert same(post(client, name, new_tides[["there", "here"]].to_csv(index=False), CSV), expected)
        assert same(post(client, name, json.dumps({"rows": records(new_tides)})), expected)
        windows = [new_tides[start : start + 16] for start in range(25)]
        named = [{key: [row[key] for row in records(each)] for key in ("there", "here")} for each in windows]
        assert same(post(client, name, json.dumps({"series": named})), expected)
    waves = np.random.default_rng(3).normal(size=(5, 64)).astype(np.float32)
    expected = TablePredictor(row_models["waves"], "waves").predict(waves)
    content = io.BytesIO()
    np.save(content, waves)
    assert same(post(client, "waves", content.getvalue(), NPY), expected)
    assert same(post(client, "waves", json.dumps({"series": waves.tolist()})), expected)
    assert same(post(client, "waves", json.dumps({"series": waves[:, None].tolist()})), expected)


def test_new_categories_are_refused_or_answered_as_unknown(
    client: TestClient, row_models: dict[str, TableModel], new_houses: pd.DataFrame
) -> None:
    other = new_houses.head(3).assign(town=["rome", "ulm", None])
    body = json.dumps({"rows": records(other)})
    refused = client.post("/predict?model=kinds", content=body, headers={"content-type": JSON})
    assert refused.status_code == 422
    assert refused.json()["error"].startswith(
        "row 2, column 'town': 'ulm' is no category that was learned; known: 'oslo'"
    )
    expected = TablePredictor(row_models["kinds"], "kinds").predict(other)
    assert same(post(client, "kinds", body, new_categories="other"), expected)
    assert same(post(client, "kinds", other.to_csv(index=False), CSV, new_categories="other"), expected)


GOOD = {"area": 80, "age": 5, "town": "rome", "sold": "2021-03-04", "floor": None}
HEAD = "area,age,town,sold,floor\n"


@pytest.mark.parametrize(
    ("model", "kind", "body", "status", "line"),
    [
        ("kinds", JSON, b"{", 422, "no JSON"),
        ("kinds", JSON, b"[" * 100_000, 422, "no JSON"),
        ("kinds", JSON, {"row": []}, 422, "no list of objects named rows"),
        ("kinds", JSON, {"rows": [3]}, 422, "no list of objects named rows"),
        ("kinds", JSON, {"rows": []}, 422, "has no rows"),
        (
            "kinds",
            JSON,
            {"rows": [GOOD, {"area": 1}]},
            422,
            "row 2 lacks the columns 'age', 'town', 'sold', 'floor'",
        ),
        (
            "kinds",
            JSON,
            {"rows": [GOOD, GOOD | {"area": "x"}]},
            422,
            "row 2, column 'area': 'x' where a number is meant",
        ),
        ("kinds", JSON, {"rows": [GOOD | {"area": "8"}]}, 422, "column 'area': '8' where a number is meant"),
        (
            "kinds",
            JSON,
            {"rows": [GOOD | {"area": True}]},
            422,
            "column 'area': True where a number is meant",
        ),
        ("kinds", JSON, {"rows": [GOOD | {"area": [1]}]}, 422, "column 'area': [1] where a number is meant"),
        ("kinds", JSON, {"rows": [GOOD | {"area": 10**400}]}, 422, "column 'area': 1000"),
        (
            "kinds",
            JSON,
            b'{"rows": [{"area": 1e999, "age": 1, "town": "rome", "sold": null, "floor": 1}]}',
            422,
            "inf;",
        ),
        ("kinds", JSON, {"rows": [GOOD | {"town": {}}]}, 422, "column 'town': {} where a category is meant"),
        (
            "kinds",
            JSON,
            {"rows": [GOOD | {"sold": "soon"}]},
            422,
            "'sold': 'soon' where a date is meant; send it as 2024",
        ),
        ("kinds", JSON, {"rows": [GOOD | {"sold": 3}]}, 422, "column 'sold': 3 where a date is meant"),
        ("kinds", CSV, b"", 422, "the first row lacks the columns 'area'"),
        ("kinds", CSV, HEAD, 422, "has no rows"),
        ("kinds", CSV, HEAD + "1,2,rome,2020-01-01\n", 422, "row 1 has 4 cells where the first row names 5"),
        (
            "kinds",
            CSV,
            HEAD + "1,2,rome,2020-01-01,x\n",
            422,
            "row 1, column 'floor': 'x' where a number is meant",
        ),
        ("kinds", CSV, HEAD + "1,inf,rome,2020-01-01,\n", 422, "row 1, column 'age': 'inf'; allowed: finite"),
        (
            "kinds",
            CSV,
            HEAD.replace("age", "area") + "1,2,rome,2020-01-01,3\n",
            422,
            "names the column 'area' twice",
        ),
        ("kinds", CSV, HEAD + '1,2,"rome,2020-01-01,3\n', 422, "the body is no CSV file"),
        ("kinds", CSV, HEAD.encode() + b"1,2,\xff,2020-01-01,3\n", 422, "the body is not utf-8"),
        ("kinds", "image/png", b"x", 415, "content type 'image/png'; allowed: application/json, text/csv"),
        ("kinds", "", b"x", 415, "allowed: application/json, text/csv"),
        ("tides", JSON, {"series": []}, 422, "has no series"),
        ("tides", JSON, {"series": [[1]]}, 422, "series 1 has not 2 channels"),
        ("tides", JSON, {"series": [{"here": []}]}, 422, "series 1 lacks the channel 'there'"),
        (
            "tides",
            JSON,
            {"series": [{"here": [1] * 15, "there": []}]},
            422,
            "series 1, channel 'here': 15 steps; the",
        ),
        (
            "tides",
            JSON,
            {"series": [[["x"] * 16, [1] * 16]]},
            422,
            "series 1, step 1, column 'here': 'x' where",
        ),
        (
            "tides",
            JSON,
            {"rows": [{"here": 1, "there": 2}] * 3},
            422,
            "3 steps are fewer than a window of 16",
        ),
        ("tides", CSV, "here\n1\n", 422, "the first row lacks the column 'there'"),
        ("waves", JSON, {"rows": []}, 422, "no list named series"),
        ("waves", CSV, "x\n1\n", 415, "allowed: application/json, application/x-npy"),
        ("waves", NPY, b"no", 422, "no array of numpy.save"),
    ],
    ids=range(35),
)
def test_what_cannot_be_answered_is_one_line(
    client: TestClient, model: str, kind: str, body: Any, status: int, line: str
) -> None:
    content = json.dumps(body) if isinstance(body, dict) else body
    answer = client.post(f"/predict?model={model}", content=content, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert line in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_arrays_of_another_kind_and_options(client: TestClient) -> None:
    def npy(array: np.ndarray[Any, Any]) -> dict[str, Any]:
        content = io.BytesIO()
        np.save(content, array)
        return {"content": content.getvalue(), "headers": {"content-type": NPY}}

    for array, line in (
        (np.zeros((2, 63)), "shape (2, 63); the model takes N×1×64"),
        (np.zeros(64), "shape (64,)"),
        (np.array([["x"] * 64]), "the array holds <U1"),
        (np.full((1, 64), np.inf), "an infinite number"),
    ):
        answer = client.post("/predict?model=waves", **npy(array))
        assert (answer.status_code, line in answer.json()["error"]) == (422, True), answer.text
    for query in ("new_categories=x", "top=0", "deadline=0"):
        rows = client.post(f"/predict?model=kinds&{query}", json={"rows": [GOOD]})
        assert (rows.status_code, query.partition("=")[0] in rows.json()["error"]) == (422, True)
    for path in ("embed", "explain"):
        refused = client.post(f"/{path}?model=tides", json={})
        assert refused.json() == {"error": f"tides answers series; /{path} is for pictures"}
        assert refused.status_code == 422


def test_limits(row_folders: Path) -> None:
    with served(service_of(row_folders, ["kinds", "tides"], pictures=2, queue_bytes=20_000)) as client:
        many = client.post("/predict", json={"rows": [GOOD] * 129})
        assert (many.status_code, many.json()["error"]) == (413, "129 rows in one request; allowed: 128")
        assert client.post("/predict", json={"rows": [GOOD] * 100}).status_code == 200
        lines = HEAD + "1,2,rome,2020-01-01,3\n" * 129
        assert client.post("/predict", content=lines, headers={"content-type": CSV}).status_code == 413
        windows = client.post("/predict?model=tides", json={"rows": [{"here": 1, "there": 2}] * 18})
        assert (windows.status_code, windows.json()["error"]) == (413, "3 series in one request; allowed: 2")
        full = client.post("/predict", json={"rows": [GOOD | {"more": "x" * 12_000}] + [GOOD] * 100})
        assert (full.status_code, full.headers["retry-after"]) == (503, "1")


def test_a_crowd_gets_the_answers_that_each_would_get_alone(
    client: TestClient, row_models: dict[str, TableModel], new_houses: pd.DataFrame
) -> None:
    rows = records(new_houses)
    expected = {
        name: TablePredictor(row_models[name], name).predict(new_houses) for name in ("kinds", "prices")
    }

    def ask(place: int) -> bool:
        name = ("kinds", "prices")[place % 2]
        alone = RowPrediction(1, expected[name][place].values, expected[name][place].probability)
        return same(post(client, name, json.dumps({"rows": [rows[place]]})), [alone])

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(40)))
    whole = post(client, "kinds", json.dumps({"rows": rows * 5}))  # several places in the queue
    assert [each["row"] for each in whole] == list(range(1, 201))
    assert same(
        [{**each, "row": place % 40 + 1} for place, each in enumerate(whole)][160:], expected["kinds"]
    )


def test_the_open_inference_protocol_in_json_and_binary(
    client: TestClient, row_models: dict[str, TableModel], new_houses: pd.DataFrame
) -> None:
    about = client.get("/v2/models/kinds").json()
    assert [(each["name"], each["datatype"]) for each in about["inputs"]] == [
        ("area", "FP64"), ("age", "FP64"), ("town", "BYTES"), ("sold", "BYTES"), ("floor", "FP64"),
    ]  # fmt: skip
    assert about["parameters"]["columns"][2]["categories"] == ["oslo", "paris, old", "rome"]
    expected = TablePredictor(row_models["kinds"], "kinds").predict(new_houses)
    filled = new_houses.fillna({"town": ""})
    inputs = [
        {**each, "shape": [40], "data": [None if v != v else v for v in filled[each["name"]].tolist()]}
        for each in reversed(about["inputs"])
    ]
    answer = client.post("/v2/models/kinds/infer", json={"id": "7", "inputs": inputs}).json()
    shares, labels = answer["outputs"]
    assert labels["data"] == [each.values["kind"] for each in expected]
    rows = np.array(shares["data"]).reshape(shares["shape"])
    assert np.allclose(rows.max(1), [each.probability for each in expected], atol=1e-6)
    assert answer["id"] == "7"

    heads, tail = [], b""
    for each in about["inputs"]:
        values = filled[each["name"]].tolist()
        if each["datatype"] == "BYTES":
            words = [str(value).encode() for value in values]
            content = b"".join(struct.pack("<I", len(word)) + word for word in words)
        else:
            content = np.array(values, "<f8").tobytes()
        heads.append({**each, "shape": [40], "parameters": {"binary_data_size": len(content)}})
        tail += content
    wanted = [{"name": "label"}, {"name": "probabilities", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": heads, "outputs": wanted}).encode()
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    binary = client.post("/v2/models/kinds/infer", content=head + tail, headers=headers)
    length = int(binary.headers["inference-header-content-length"])
    assert json.loads(binary.content[:length])["outputs"][0]["data"] == labels["data"]
    assert np.allclose(np.frombuffer(binary.content[length:], "<f4").reshape(rows.shape), rows, atol=1e-6)

    one = client.post(
        "/v2/models/waves/infer",
        json={"inputs": [{"name": "series", "datatype": "FP32", "shape": [2, 1, 64], "data": [0.5] * 128}]},
    ).json()
    alone = TablePredictor(row_models["waves"], "waves").predict(np.full((2, 64), 0.5))
    assert one["outputs"][1]["data"] == [each.values["class"] for each in alone]
    numbers = client.post("/v2/models/prices/infer", json={"inputs": inputs}).json()["outputs"]
    assert [(each["name"], each["datatype"], each["shape"]) for each in numbers] == [("price", "FP64", [40])]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda inputs: inputs[1:], "no input called 'area'"),
        (lambda inputs: [inputs[0] | {"data": ["x"]}, *inputs[1:]], "the data are no numbers"),
        (lambda inputs: [inputs[0] | {"shape": [2]}, *inputs[1:]], "1 numbers for the shape [2]"),
        (lambda inputs: [inputs[0] | {"shape": [2], "data": [1, 2]}, *inputs[1:]], "have [1, 2] elements"),
        (
            lambda inputs: [inputs[0] | {"datatype": "BYTES", "data": ["x"]}, *inputs[1:]],
            "'area': 'x' where a number",
        ),
        (
            lambda inputs: [*inputs[:2], inputs[2] | {"data": [3]}, *inputs[3:]],
            "no list of texts (input 'town')",
        ),
        (lambda inputs: [*inputs[:2], inputs[2] | {"data": ["ulm"]}, *inputs[3:]], "'ulm' is no category"),
        (lambda inputs: [inputs[0] | {"datatype": "FP8"}, *inputs[1:]], "datatype 'FP8' holds no numbers"),
        (lambda inputs: [], "no list of inputs"),
        (lambda inputs: [3], "an input is no object"),
    ],
    ids=range(10),
)
def test_inputs_of_the_protocol_that_cannot_be_answered(
    client: TestClient, change: Callable[[list[Any]], list[Any]], line: str
) -> None:
    inputs = [
        {"name": name, "datatype": "FP64" if name in ("area", "age", "floor") else "BYTES", "shape": [1],
         "data": [GOOD[name]]}
        for name in GOOD
    ]  # fmt: skip
    assert client.post("/v2/models/kinds/infer", json={"inputs": inputs}).status_code == 200
    answer = client.post("/v2/models/kinds/infer", json={"inputs": change(inputs)})
    assert answer.status_code == 422, answer.text
    assert line in answer.json()["error"]


WORDS = st.sampled_from(["rows", "series", "inputs", "data", "shape", "datatype", "area"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    path=st.sampled_from(
        ["/predict?model=kinds", "/predict?model=tides", "/predict?model=waves", "/v2/models/kinds/infer"]
    ),
    kind=st.sampled_from([CSV, JSON, NPY, "image/png"]),
    body=st.binary(max_size=200)
    | st.builds(
        json.dumps,
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["rows", "series", "inputs", "data", "shape", "datatype", "area"]),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=8,
        ),
    ).map(str.encode),
)
def test_no_body_is_a_fault_of_the_server(client: TestClient, path: str, kind: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers={"content-type": kind})
    assert answer.status_code in (413, 415, 422), answer.text
    assert set(answer.json()) == {"error"}


def test_pictures_and_rows_side_by_side_and_a_model_that_is_replaced(
    folder: Path, row_folders: Path, row_models: dict[str, TableModel], pictures: list[bytes], tmp_path: Path
) -> None:
    import shutil

    from convnets.checkpoints.model_folder import save_model

    shutil.copytree(row_folders / "kinds", tmp_path / "kinds")
    service = service_of(tmp_path, ["kinds"])
    service.models["run"] = ServedModel("run", folder, choose_hardware("cpu", "fp32", 2))
    with served(service) as client:
        facts = client.get("/models").json()["models"]
        assert [each["examples"] for each in facts] == ["table", "images"]
        assert facts[0]["target"] == ["kind"]
        assert facts[0]["input"]["columns"][0] == {
            "name": "area",
            "kind": "number",
            "usual": pytest.approx(90, abs=9),
        }
        assert facts[0]["input"]["columns"][2]["usual"] in ("oslo", "rome", "paris, old")
        assert facts[0]["input"]["columns"][3]["usual"].startswith("202")
        found: list[int] = []

        def ask(kind: str) -> None:
            for place in range(6):
                if kind == "rows":
                    answer = client.post("/predict", json={"rows": [GOOD]})
                else:
                    png = {"content": pictures[place], "headers": {"content-type": "image/png"}}
                    answer = client.post("/predict?model=run", **png)  # type: ignore[arg-type]
                found.append(answer.status_code)

        threads = [threading.Thread(target=ask, args=(kind,)) for kind in ("rows", "pictures", "rows")]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert found == [200] * 18
        assert 'convnets_requests_total{path="/predict",status="200"} 18.0' in client.get("/metrics").text
        before = client.post("/predict", json={"rows": [GOOD]}).json()
        model = row_models["kinds"]
        scaled = TableModel(model.network, model.encoder, model.target)
        with np.errstate(all="ignore"):
            state = {name: value.clone() for name, value in model.network.state_dict().items()}
            model.network.load_state_dict({name: value * 2 for name, value in state.items()})
            save_model(tmp_path / "kinds" / "model", scaled)
            model.network.load_state_dict(state)
        assert service.models["kinds"].reload() is True
        after = client.post("/predict", json={"rows": [GOOD]}).json()
        assert after["model"]["version"] != before["model"]["version"]
        assert after["predictions"][0]["confidence"] != before["predictions"][0]["confidence"]
