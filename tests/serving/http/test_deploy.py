"""The files under deploy/ say what the server can do; they are parsed here, not built."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import yaml

from convnets.cli.serving.serve import serve
from convnets.serving.http.guard import Access
from convnets.serving.http.limits import Limits

DEPLOY = Path(__file__).parents[3] / "deploy"


def _check_arguments(arguments: list[str]) -> None:
    known = {"--" + name.replace("_", "-") for name in inspect.signature(serve).parameters}
    assert {each for each in arguments if each.startswith("--")} <= known


def _kinds() -> dict[str, Any]:
    return {
        each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8"))
    }


def test_pods_are_probed_without_a_token_and_drain_within_their_grace() -> None:
    pod = _kinds()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in Access().open_paths
    assert pod["terminationGracePeriodSeconds"] > Limits().deadline + 5
    assert pod["securityContext"]["runAsNonRoot"]
    _check_arguments(container["args"])


def test_service_and_autoscaler_name_the_deployment() -> None:
    kinds = _kinds()
    labels = kinds["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert kinds["Service"]["spec"]["selector"] == labels
    assert (
        kinds["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"]
        == kinds["Deployment"]["metadata"]["name"]
    )


def test_compose_serves_this_machine_only() -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]["serve"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert int(service["stop_grace_period"].removesuffix("s")) > Limits().deadline + 5
    _check_arguments(service["command"])


def test_the_image_runs_as_nobody_in_particular_and_gets_signals() -> None:
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    users = [line for line in lines if line.startswith("USER")]
    assert users == ["USER 10001"]
    assert any(re.fullmatch(r'ENTRYPOINT \["convnets", "serve"\]', line) for line in lines)
