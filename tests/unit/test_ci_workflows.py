"""Rendered workflows of every system: they fit its schema and hang together, as planned."""

import importlib
import io
import json
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml
from rich.console import Console
from test_plan import HOST, S390X, planner, project  # noqa: F401 - project is a fixture

from zport.agents import load_agents
from zport.cli.ci import IMAGE, ci
from zport.errors import BlockedError, DefinitionError, UsageError
from zport.job import Job, Request
from zport.workflows import rendering
from zport.workflows.references import READERS, Node, check_references, problems
from zport.workflows.rendering import (
    SYSTEMS,
    Place,
    find_system,
    in_yaml,
    parse_labels,
    render_workflow,
)
from zport.workflows.tasks import Artefact, Command, Task, Wanted, plan_tasks

REPOSITORY = "https://example.org/team/zport"
LABELS = {"github": "self-hosted,big", "gitlab": "big", "argo": "pool=big", "kubeflow": "pool=big"}


@pytest.fixture
def make_job(project, workspace, monkeypatch):  # noqa: F811
    """A job of the small project: one agent with one wheel, on two targets, with one model."""

    def make(blocked=()):
        agents = load_agents("tiny")
        request = Request([HOST, S390X], agents, None, workspace, Console(file=io.StringIO()))
        job = Job(request)
        job.__dict__["planner"] = planner(blocked=blocked)
        framework = SimpleNamespace(name=agents[0].framework)
        model = SimpleNamespace(name="m", manifest=SimpleNamespace(framework=framework))
        tools = job.planner.model_tools()
        job.__dict__["models"] = {"m": (model, tools)}
        return job

    return make


@pytest.fixture
def render(make_job):
    """The text that a system gets for that job, with a native runner for the second target."""

    def render(name, *, alone=(), labelled=True):
        system, job = find_system(name), make_job()
        labels = parse_labels([f"{S390X.name}={LABELS[name]}"] if labelled else [], system,
                              job.targets)  # fmt: skip
        place = Place(system, system.registry or "registry.example.org/team", REPOSITORY, "main",
                      "debian:trixie-slim", labels)  # fmt: skip
        wanted = Wanted("tiny", None, True, alone, tuple(labels))
        return render_workflow(plan_tasks(job, wanted), place, f"zport ci {name}")

    return render


def nodes(name, text):
    return READERS[name](list(yaml.safe_load_all(text)))


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_has_the_same_graph(name, render):
    found = nodes(name, render(name, alone=["leaf"]))
    found.pop("pages", None) if name == "github" else None
    images = {f"image-tiny-{target.name}" for target in (HOST, S390X)}
    wheels = {f"wheel-leaf-{target.name}" for target in (HOST, S390X)}
    matrix = {f"matrix-tiny-{target.name}" for target in (HOST, S390X)}
    report = "pages" if name == "gitlab" else "report"
    assert set(found) == {"base", *wheels, *images, *matrix, "publish", report}
    assert found["base"].needs == frozenset()
    assert found[f"image-tiny-{S390X.name}"].needs == {"base", f"wheel-leaf-{S390X.name}"}
    assert found["publish"].needs == {"base", *matrix}
    assert found[report].takes == {f"results-tiny-{target.name}" for target in (HOST, S390X)}


def test_a_native_machine_waits_for_its_own_image_alone(render):
    name = f"matrix-tiny-{S390X.name}"
    own, other = f"image-tiny-{S390X.name}", f"image-tiny-{HOST.name}"
    assert nodes("github", render("github"))[name].needs == {"base", own}
    emulated = render("github", labelled=False)
    assert nodes("github", emulated)[name].needs == {"base", own, other}
    native = yaml.safe_load(render("github"))["jobs"]
    assert native[name]["runs-on"] == ["self-hosted", "big"]
    assert native[f"matrix-tiny-{HOST.name}"]["runs-on"] == "ubuntu-24.04"


def test_a_short_wheel_is_built_by_the_first_task(render):
    jobs = yaml.safe_load(render("github"))["jobs"]
    assert not any(name.startswith("wheel-") for name in jobs)
    run = jobs["base"]["steps"][-2]["run"]
    assert f"wheel-leaf-{S390X.name}" in run
    assert "--pin" in run
    assert "toolchain" not in run  # no later task builds with it


@pytest.mark.parametrize("system", ["github", "gitlab"])
def test_fits_the_schema_of_the_system(system, render, tmp_path):
    path = tmp_path / "workflow.yml"
    path.write_text(render(system))
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    more = ["--data-transform", "gitlab-ci"] if system == "gitlab" else []
    builtin = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}[system]
    done = subprocess.run([*check, builtin, *more, path], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_fits_the_models_of_argo(render):
    """Hera's models are generated from Argo's own schema; a field that they drop is unknown."""
    from hera.workflows.models import Workflow

    definition = yaml.safe_load(render("argo"))
    kept = json.loads(Workflow.model_validate(definition).model_dump_json(by_alias=True))
    assert list(dropped(definition, kept)) == []
    definition["spec"]["templates"][1]["nodeSelektor"] = {}
    kept = json.loads(Workflow.model_validate(definition).model_dump_json(by_alias=True))
    assert list(dropped(definition, kept)) == ["spec.templates.1.nodeSelektor"]


def dropped(given, kept, place=""):
    """The places of what is in the one and not in the other."""
    pairs = given.items() if isinstance(given, dict) else enumerate(given)
    for key, value in pairs:
        here = f"{place}.{key}".lstrip(".")
        there = kept.get(key) if isinstance(kept, dict) else kept[key]
        if there is None:
            yield here
        elif isinstance(value, (dict, list)):
            yield from dropped(value, there, here)


def test_fits_the_messages_of_kubeflow(render):
    """The specification's own messages refuse a field that they do not have."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2 as messages

    pipeline, platform = yaml.safe_load_all(render("kubeflow"))
    read = json_format.ParseDict(pipeline, messages.PipelineSpec())
    json_format.ParseDict(pipeline["deploymentSpec"], messages.PipelineDeploymentConfig())
    json_format.ParseDict(platform, messages.PlatformSpec())
    assert read.schema_version == "2.1.0"
    pipeline["root"]["dag"]["tasks"]["base"]["dependsOn"] = []
    with pytest.raises(json_format.ParseError, match="dependsOn"):
        json_format.ParseDict(pipeline, messages.PipelineSpec())


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_script_parses(name, render, tmp_path):
    for number, script in enumerate(scripts(name, list(yaml.safe_load_all(render(name))))):
        path = tmp_path / f"{number}.sh"
        path.write_text(script)
        assert subprocess.run(["bash", "-n", path], check=False).returncode == 0, script


def scripts(name, documents):
    first = documents[0]
    if name == "github":
        return [step["run"] for job in first["jobs"].values() for step in job["steps"]
                if "run" in step]  # fmt: skip
    if name == "gitlab":
        return ["\n".join(job["script"]) for job in first.values()
                if isinstance(job, dict) and "script" in job]  # fmt: skip
    if name == "argo":
        return [template["container"]["args"][0] for template in first["spec"]["templates"]
                if "container" in template]  # fmt: skip
    return [executor["container"]["command"][2]
            for executor in first["deploymentSpec"]["executors"].values()]  # fmt: skip


def test_a_script_takes_more_than_nine_artefacts(tmp_path):
    """Each comes and goes as an argument of its own, the tenth and those after it too."""
    results = [Artefact(f"r{number}", f"collected/r{number}") for number in range(11)]
    matrix = [Task(f"m{one.name}", "matrix", "", (), gives=(one,)) for one in results]
    needs = tuple(task.name for task in matrix)
    page = Task("page", "report", "", (Command("", "cp -r collected page"),), needs,
                tuple(results), (Artefact("page", "page"),))  # fmt: skip
    place = Place(find_system("kubeflow"), "registry.example.org/team", REPOSITORY, "main",
                  "debian:trixie-slim", {})  # fmt: skip
    pipeline = next(yaml.safe_load_all(render_workflow([*matrix, page], place, "zport ci")))
    command = pipeline["deploymentSpec"]["executors"]["exec-page"]["container"]["command"]
    own = command[2].partition("cd /zport\n")[2]
    given = [tmp_path / "in" / one.name for one in results]
    for path in given:
        path.mkdir(parents=True)
        (path / path.name).touch()
    work = tmp_path / "zport"
    work.mkdir()
    subprocess.run([*command[:2], own, *command[3:], *given, tmp_path / "out" / "page"], cwd=work,
                   capture_output=True, check=True)  # fmt: skip
    taken = sorted(str(path.relative_to(tmp_path / "out")) for path in tmp_path.glob("out/*/*/*"))
    assert taken == sorted(f"page/{one.name}/{one.name}" for one in results)


def test_the_report_of_argo_waits_for_none_to_pass(render):
    tasks = yaml.safe_load(render("argo"))["spec"]["templates"][0]["dag"]["tasks"]
    matrix = [task["name"] for task in tasks if task["name"].startswith("matrix-")]
    depends = {task["name"]: task["depends"] for task in tasks if "depends" in task}
    ended = ("Succeeded", "Failed", "Errored", "Omitted")
    each = [f"({' || '.join(f'{name}.{how}' for how in ended)})" for name in matrix]
    assert depends["report"] == " && ".join(each)
    assert depends["publish"].count(".Succeeded") == len(matrix) + 1


@pytest.mark.parametrize("name", ["argo", "kubeflow"])
@pytest.mark.parametrize("there", [True, False])
def test_credentials_are_named_where_there_are_some(name, there, render, tmp_path):
    """Buildah fails on a file of credentials that is named and not there."""
    path = tmp_path / "config.json"
    if there:
        path.write_text("{}")
    given = {"REGISTRY_AUTH_FILE": str(path), "PATH": ""}
    for script in scripts(name, list(yaml.safe_load_all(render(name)))):
        line = script.partition("\n")[0]
        assert "REGISTRY_AUTH_FILE" in line
        done = subprocess.run(
            [shutil.which("bash"), "-euc", f'{line}\necho "${{REGISTRY_AUTH_FILE-unset}}"'],
            env=given, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.strip() == (str(path) if there else "unset")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"image": "debian:forky"}, "--image debian:forky"), ({}, ""), ({"image": IMAGE}, "")],
)
def test_the_header_says_which_image(options, said, make_job, monkeypatch, capsys):
    module = importlib.import_module("zport.cli.ci")
    monkeypatch.setattr(module, "Job", lambda request: make_job())
    ci("github", agent="tiny", **options)
    command = capsys.readouterr().out.splitlines()[1]
    assert command.startswith("#   zport ci github --arch ")
    assert command.partition("--agent tiny")[2].strip() == said


def test_a_github_job_may_do_no_more_than_it_has_to(render):
    workflow = yaml.safe_load(render("github"))
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert "timeout-minutes" in job
        expected = {"contents": "read", "packages": "write"}
        if name.startswith("matrix-"):
            expected["packages"] = "read"
        if name == "report":
            expected = {"contents": "read"}
        if name == "pages":
            expected = {"pages": "write", "id-token": "write"}
        assert job["permissions"] == expected


def test_the_token_is_seen_by_the_login_alone(render):
    workflow = yaml.safe_load(render("github"))
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert ("REGISTRY_PASSWORD" in step.get("env", {})) == (
                "ci/registry-login" in step.get("run", "")
            )


GRAPH = {
    "base": Node(gives=frozenset({"pins"})),
    "image": Node(frozenset({"base"}), frozenset({"pins"})),
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ["there are no tasks"]),
        ({**GRAPH, "image": Node(frozenset({"basis"}))}, ["image needs basis, which does not"]),
        ({**GRAPH, "base": Node(frozenset({"image"}))}, ["wait for each other"]),
        ({**GRAPH, "image": Node(takes=frozenset({"pins"}))}, ["image takes pins, which no task"]),
        ({**GRAPH, "more": Node(gives=frozenset({"pins"}))}, ["pins is left by base and by more"]),
    ],
)
def test_a_graph_that_does_not_hang_together(changed, said):
    found = list(problems(changed))
    assert len(found) == len(said)
    assert all(part in problem for part, problem in zip(said, found, strict=True))


def test_what_hangs_together_has_no_problems():
    assert list(problems(GRAPH)) == []


@pytest.mark.parametrize(
    ("system", "old", "new"),
    [
        ("github", "needs: [base]", "needs: [bass]"),
        ("github", "name: pins", "name: pans"),
        ("gitlab", "stage: matrix", "stage: cells"),
        ("argo", "depends: base.Succeeded", "depends: bass.Succeeded"),
        ("argo", "template: report", "template: reports"),
        ("argo", f"matrix-tiny-{HOST.name}.Omitted", "matrix-none.Omitted"),
        ("kubeflow", "componentRef: {name: comp-base}", "componentRef: {name: comp-none}"),
        ("kubeflow", "producerTask: base", "producerTask: publish"),
    ],
)
def test_a_dangling_reference_is_refused(system, old, new, render, tmp_path):
    text = render(system)
    assert old in text
    broken = list(yaml.safe_load_all(text.replace(old, new, 1)))
    with pytest.raises(DefinitionError) as caught:
        check_references(system, broken, tmp_path / "template")
    assert caught.value.where == str(tmp_path / "template")


def test_a_template_that_does_not_render_is_named(render, tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "TEMPLATES", tmp_path)
    (tmp_path / "gitlab.yml.j2").write_text("{{ nothing }}")
    with pytest.raises(DefinitionError, match="does not render") as caught:
        render("gitlab")
    assert "gitlab.yml.j2" in caught.value.where


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s391x=big", "unknown architecture"),
        ("arm64=big", "the plan has no arm64"),
        ("s390x=", "is not a runner's label"),
        ("s390x", "is not a runner's label"),
        ("s390x=a b", "is not a runner's label"),
        ("s390x=pool=big", "is not a runner's label"),
    ],
)
def test_a_label_that_is_wrong_is_refused(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        parse_labels([text], find_system("github"), [HOST, S390X])
    assert caught.value.where == f"--label {text}"
    assert caught.value.next_step


def test_a_cluster_wants_pairs():
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_labels([f"{S390X.name}=big"], find_system("argo"), [S390X])


def test_an_unknown_system_gets_the_nearest_name():
    with pytest.raises(UsageError, match="unknown CI system 'gitlub'") as caught:
        find_system("gitlub")
    assert "did you mean git" in caught.value.next_step


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({}, "--registry"),
        ({"registry": "registry.example.org/team"}, "--repository"),
    ],
)
def test_a_cluster_has_to_be_told_where_things_are(options, where):
    with pytest.raises(UsageError) as caught:
        ci("argo", **options)
    assert caught.value.where == where


def test_a_blocked_agent_is_told_with_the_reason(make_job):
    with pytest.raises(BlockedError, match="leaf"):
        plan_tasks(make_job(blocked=["leaf"]), Wanted("tiny"))


def test_an_agent_that_no_model_proves_is_refused(make_job):
    job = make_job()
    job.__dict__["models"] = {}
    with pytest.raises(UsageError, match="nothing would prove") as caught:
        plan_tasks(job, Wanted("tiny"))
    assert "--model" in caught.value.next_step


def test_a_wheel_that_is_not_planned_cannot_be_alone(make_job):
    with pytest.raises(UsageError, match="no wheel of 'numpy'") as caught:
        plan_tasks(make_job(), Wanted("tiny", alone=["numpy"]))
    assert "leaf" in caught.value.next_step


@pytest.mark.parametrize("value", ["a: b", "x", "[ -d a ]", ["a", "b"], {"k/l": "v"}, [], True])
def test_a_value_is_one_line_of_yaml(value):
    text = in_yaml(value)
    assert "\n" not in text
    assert yaml.safe_load(text) == value
