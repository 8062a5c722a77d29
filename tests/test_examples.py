"""The example programs run as they are, against a server of their own and against one that asks for a password."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from rag.settings import STORE_VARIABLE
from tests.page.with_accounts import CREDENTIALS
from tests.serving import serving

EXAMPLES = Path(__file__).parents[1] / "examples"
FACT = "围绕全国性综合交通枢纽、现代制造城、广西高质量发展先行区、自治区副中心城市“四大定位”"
SAYS = {
    "gradio_client_example.py": [
        f"{FACT} [1]",
        "Follow-up: 柳州的两个生态是什么",
        "contradicted: 6月26日",
        "Documents: ",
    ],
    "curl.sh": ["event: complete", '"verdict": "answered"', '"object":"chat.completion"', "6月25日 [1]"],
    "openai_client.py": [f"{FACT} [1]", "[1] characters 241 to 284 of", "Verdict: answered", "“两个生态” [1]"],
    "mcp_client.py": ["ask: ", "search: ", "verify: ", "documents: ", FACT, "contradicted: 6月26日"],
}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8", "NO_PROXY": "127.0.0.1"}


def run(name: str, environment: Mapping[str, str], *arguments: str) -> Any:
    command = [sys.executable] if name.endswith(".py") else ["sh"]
    return subprocess.run(
        [*command, str(EXAMPLES / name), *arguments],
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a server, and a file where it stands what it asked of other machines."""
    folder = tmp_path_factory.mktemp("examples")
    environment = {**ENVIRONMENT, STORE_VARIABLE: str(folder / "store")}
    command = [sys.executable, "-m", "tests.page.watched", str(folder / "asked.txt"), "serve"]
    with serving(command, environment, folder / "log.txt") as address:
        yield address, folder / "asked.txt"


@pytest.fixture(scope="module")
def address(served: tuple[str, Path]) -> str:
    return served[0]


def test_every_example_is_run_and_named_in_the_readme():
    assert {path.name for path in EXAMPLES.iterdir()} - {"README.md", "__pycache__"} == set(SAYS)
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"examples/{name}`" in readme for name in SAYS)


@pytest.mark.parametrize("name", SAYS)
def test_an_example_shows_the_answer_with_its_words(address, name):
    done = run(name, {}, address)
    assert done.returncode == 0, done.stderr
    for said in SAYS[name]:
        assert said in done.stdout


def test_a_server_for_programs_asks_nothing_of_other_machines(served):
    address, asked = served
    assert run("mcp_client.py", {}, address).returncode == 0
    assert not asked.exists(), asked.read_text(encoding="utf-8")


def test_every_endpoint_and_tool_is_described_with_its_parameters_and_results(address):
    with urlopen(f"{address}gradio_api/info") as response:
        endpoints = json.load(response)["named_endpoints"]
    with urlopen(f"{address}gradio_api/mcp/schema") as response:
        tools = {tool["name"]: tool for tool in json.load(response)}
    assert set(endpoints) == {f"/{name}" for name in tools} == {"/ask", "/search", "/verify", "/documents"}
    for name, tool in tools.items():
        described = endpoints[f"/{name}"]
        assert tool["description"] == described["description"] != ""
        parameters = tool["inputSchema"]["properties"]
        assert list(parameters) == [one["parameter_name"] for one in described["parameters"]]
        assert all(parameter["description"].endswith(".") for parameter in parameters.values())
        assert all(one["python_type"]["description"].endswith(".") for one in described["parameters"])
        assert described["returns"][0]["type"]["properties"]
    claim = endpoints["/verify"]["returns"][0]["type"]["properties"]["claims"]["items"]["properties"]
    assert claim["verdict"] == {"enum": ["supported", "contradicted", "unsupported"]}
    assert tools["search"]["inputSchema"]["required"] == ["query"]


@pytest.mark.parametrize(
    ("call", "status", "said"),
    [
        ("ask {}", 400, "No value provided for required argument: question."),
        ('ask {"question": "?", "top": 3}', 400, "Parameter `top` is not a valid key-word argument."),
        ('documents {"question": "?"}', 400, "Parameter `question` is not a valid key-word argument."),
        ("nothing {}", 404, "There is no endpoint '/nothing'."),
    ],
)
def test_a_call_that_fits_no_endpoint_is_told_what_does_not_fit(address, call, status, said):
    name, _, body = call.partition(" ")
    with pytest.raises(HTTPError) as raised:
        urlopen(Request(f"{address}gradio_api/call/v2/{name}", body.encode(), {"Content-Type": "application/json"}))
    error = json.loads(raised.value.read())["error"]
    assert (raised.value.code, said in error) == (status, True), error
    assert error.endswith("described at /gradio_api/info.")


def test_the_examples_sign_in_where_a_password_is_asked_for(tmp_path):
    program = [sys.executable, "-m", "tests.page.with_accounts", str(tmp_path)]
    with serving(program, ENVIRONMENT, tmp_path / "log.txt") as address:
        for name, says in SAYS.items():
            done = run(name, {"ADDRESS": address, "CREDENTIALS": CREDENTIALS})
            assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
            assert says[-1] in done.stdout
        refused = run("openai_client.py", {"ADDRESS": address})
        assert "AuthenticationError" in refused.stderr
