"""What a scan reads: every kind of input, and the error for each that is broken."""

import pytest

from zport.distribution import TRIXIE
from zport.errors import DefinitionError, UsageError, ZportError
from zport.scan.inputs import LARGEST, is_file, read_inputs
from zport.scan.model import Lock, Loose
from zport.targets import TARGETS

S390X, AMD64 = TARGETS["s390x"], TARGETS["amd64"]
DIGITS = "1" * 5000
HASH = "--hash=sha256:" + "a" * 64


@pytest.fixture
def written(tmp_path):
    """Writes files and reads the first of them as a scan does."""

    def write(name, content, **more):
        for other, text in {name: content, **more}.items():
            path = tmp_path / other.replace("__", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_inputs([str(tmp_path / name)])

    return write


def keys(lock, target=S390X):
    return [entry.key for entry in lock.closure(target, TRIXIE).entries]


def test_names_are_requirements():
    read = read_inputs(["numpy", "h5py>=3"])
    assert (read.title, read.requirements) == ("numpy h5py>=3", ("numpy", "h5py>=3"))


def test_what_comes_from_no_index_is_kept_apart():
    read = read_inputs(["numpy", "leaf @ https://git.example/leaf.zip"])
    assert read.requirements == ("numpy",)
    assert read.outside == ("leaf @ https://git.example/leaf.zip",)


def test_loose_requirements_with_includes_and_constraints(written):
    read = written(
        "requirements.txt",
        "# ours\n-r more/base.txt\n--constraint limits.txt\n-i https://index.example\n"
        "h5py >= 3 ; python_version > '3'  # data\n-e ./here\n./there\n",
        **{"more/base.txt": "numpy\\\n  >=2\n", "limits.txt": "numpy<3\n"},
    )
    assert isinstance(read, Loose)
    assert read.requirements == ("numpy >=2", "h5py >= 3 ; python_version > '3'")
    assert (read.constraints, read.outside) == (("numpy<3",), ("./here", "./there"))


def test_pins_with_hashes_are_a_lock(written):
    read = written("requirements.txt", f"A_b==1.0 {HASH}\nc==2 ; sys_platform == 'win32' {HASH}\n")
    assert isinstance(read, Lock)
    assert keys(read) == ["a-b==1.0"]
    assert read.entries[0].pin.hashes == {"a" * 64}


def test_pins_without_anything_else_are_loose_unless_they_are_said_to_be_complete(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("a==1\nb==2\n")
    assert isinstance(read_inputs([str(path)]), Loose)
    assert keys(read_inputs([str(path)], complete=True)) == ["a==1", "b==2"]


def test_who_needs_what_stands_in_the_comments(written):
    read = written(
        "requirements.lock",
        f"leaf==1 \\\n    {HASH}\n    # via branch\n"
        f"branch==2 \\\n    {HASH}\n    # via\n    #   -c limits.txt\n    #   trunk\n"
        f"    #   tree (pyproject.toml)\ntrunk==3 {HASH}\n\n"
        "# The following packages are considered to be unsafe:\n"
        f"pip==26 \\\n    {HASH}\n    # via tree (pyproject.toml)\n",
    )
    closure = read.closure(S390X, TRIXIE)
    assert closure.chain("leaf==1") == ("branch", "tree (pyproject.toml)")
    assert closure.chain("pip==26") == ("tree (pyproject.toml)",)
    assert closure.chain("trunk==3") == ()


@pytest.mark.parametrize(
    ("text", "said", "where"),
    [
        ("numpy\nnot a requirement\n", "not a requirement", "line 2"),
        (f"a==1 {HASH[:-3]}\n", "no SHA-256", "line 1"),
        ("-r\n", "names no file", "line 1"),
        ("-r absent.txt\n", "cannot read it", "absent.txt"),
        ("-r requirements.txt\n", "include each other", "requirements.txt"),
        ("--what=1\n", "unknown option --what", "line 1"),
        ("# nothing\n", "no requirements in it", "requirements.txt"),
        (b"numpy\xff\n", "not UTF-8 text: byte 5 is 0xff", "requirements.txt"),
        (b"\x7fELF\0\0", "a binary file", "requirements.txt"),
        (f"a\nsix=={DIGITS}\n", "a number of a thousand digits", "requirements.txt: line 2"),
        (f"a\nsix; python_version > '{DIGITS}'\n", "a number of a thousand", "line 2"),
        ("a\nsix; " + "(" * 20_000, "nested too deeply", "line 2"),
        (f"-r {'a' * 10_000}\n", "cannot read it", "a" * 10_000),
    ],
)
def test_a_broken_requirements_file_is_told_with_its_line(written, text, said, where):
    with pytest.raises(DefinitionError, match=said) as caught:
        written("requirements.txt", text)
    assert where in caught.value.where
    assert caught.value.next_step


def test_uvs_lock_is_walked_with_the_markers_of_the_target(fixtures):
    read = read_inputs([str(fixtures / "scan" / "uv.lock")])
    assert keys(read) == ["filelock==3.18.0", "ipywidgets==8.1.7", "rich==14.0.0", "torch==2.6.0"]
    assert "triton==3.2.0" in keys(read, AMD64)
    closure = read.closure(AMD64, TRIXIE)
    assert closure.chain("triton==3.2.0") == ("torch", "project")
    torch = next(entry for entry in closure.entries if entry.pin.name == "torch")
    assert torch.pin.hashes == {"1" * 64}


def test_an_extra_of_uvs_lock_is_chosen_by_name(fixtures):
    path = str(fixtures / "scan" / "uv.lock")
    assert "uvloop==0.21.0" in keys(read_inputs([path], ["serve"]))
    with pytest.raises(DefinitionError, match="no extra 'server'") as caught:
        read_inputs([path], ["server"])
    assert "serve" in caught.value.next_step


def test_what_uvs_lock_has_from_a_repository_is_marked(fixtures):
    read = read_inputs([str(fixtures / "scan" / "uv.lock")])
    sources = {entry.pin.name: entry.source for entry in read.entries}
    assert sources["ipywidgets"].startswith("https://git.example")
    assert sources["torch"] is None


def test_poetrys_lock_is_its_main_group_on_the_target(fixtures):
    read = read_inputs([str(fixtures / "scan" / "poetry.lock")])
    assert keys(read) == ["click==8.2.1", "grpc-io==1.0"]
    assert read.closure(S390X, TRIXIE).chain("grpc-io==1.0") == ("click",)
    assert read.notes == ("1 packages of extras and other groups left out",)


def test_the_standard_lock(fixtures):
    read = read_inputs([str(fixtures / "scan" / "pylock.toml")])
    assert keys(read) == ["attrs==25.1.0", "cattrs==24.1.2"]
    assert read.closure(S390X, TRIXIE).chain("attrs==25.1.0") == ("cattrs",)
    assert read.entries[1].pin.hashes == {"5" * 64}


@pytest.mark.parametrize(
    ("name", "text", "said", "where"),
    [
        ("uv.lock", "version = 1\n[[package]\n", "not valid TOML", "uv.lock"),
        ("uv.lock", "version = 1\n", "no packages in it", "uv.lock: package"),
        ("uv.lock", "[[package]]\nversion = '1'\n", "missing or no text", "package 1.name"),
        ("uv.lock", "[[package]]\nname = 'a'\nversion = '1'\n[package.source]\nregistry = 'x'\n",
         "no project in it", "uv.lock: package"),
        ("uv.lock", "[[package]]\nname = 'a'\nversion = '1'\ndependencies = [{name = 'b'}]\n"
         "[package.source]\nvirtual = '.'\n", "b is absent", "package a.dependencies"),
        ("uv.lock", "[[package]]\nname = 'a'\nversion = '1'\n"
         "dependencies = [{name = 'a', marker = 'x = y'}]\n[package.source]\nvirtual = '.'\n",
         "not a marker: x = y", "package a"),
        ("uv.lock", "[[package]]\nname = 'a'\nversion = '1'\ndependencies = 3\n"
         "[package.source]\nvirtual = '.'\n", "not those of a lock", "uv.lock"),
        ("poetry.lock", "package = 3\n", "no packages in it", "poetry.lock: package"),
        ("poetry.lock", "[[package]]\nname = 'a'\n", "missing or no text", "package 1.version"),
        ("pylock.toml", "lock-version = '1.0'\n", "created-by", "pylock.toml"),
        ("pylock.dev.toml", "lock-version = '9.0'\ncreated-by = 'x'\npackages = []\n", "9.0",
         "pylock.dev.toml"),
        ("poetry.lock", f"a = {DIGITS}\n", "a number of a thousand digits", "poetry.lock: line 1"),
        ("poetry.lock", f"a = {'_'.join(DIGITS)}\n", "not valid TOML: .*5000", "poetry.lock"),
        ("poetry.lock", f"a = {'[' * 20_000}\n", "nested too deeply", "poetry.lock"),
        ("uv.lock", "[[package]]\nname = 'a'\nversion = '1'\n"
         f"dependencies = [{{name = 'a', marker = '{'(' * 20_000}'}}]\n"
         "[package.source]\nvirtual = '.'\n", r"not a marker: \({200}\n", "package a"),
    ],
)  # fmt: skip
def test_a_broken_lock_is_told_with_its_field(written, name, text, said, where):
    with pytest.raises(DefinitionError, match=said) as caught:
        written(name, text)
    assert where in caught.value.where
    assert caught.value.next_step


PROJECT = "[project]\nname = 'x'\ndependencies = ['numpy>=2']\n"


def test_a_project_with_its_extras(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text(PROJECT + "[project.optional-dependencies]\ntest = ['pytest']\n")
    assert read_inputs([str(path)]).requirements == ("numpy>=2",)
    assert read_inputs([str(path)], ["test"]).requirements == ("numpy>=2", "pytest")
    with pytest.raises(DefinitionError, match="no extra 'tests'"):
        read_inputs([str(path)], ["tests"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.poetry]\nname = 'x'\n", r"no \[project\] table"),
        ("[project]\ndynamic = ['dependencies']\n", "computed by the build"),
        ("[project]\ndependencies = 'numpy'\n", "not a list of texts"),
        ("[project]\ndependencies = ['numpy >= ']\n", "not a requirement"),
        ("[project\n", "not valid TOML"),
    ],
)
def test_a_project_that_names_no_requirements_is_told(written, text, said):
    with pytest.raises(DefinitionError, match=said) as caught:
        written("pyproject.toml", text)
    assert caught.value.next_step


def test_the_pip_part_of_an_environment(written):
    read = written(
        "environment.yml",
        "dependencies:\n  - python=3.12\n  - pip:\n    - torch>=2  # gpu\n    - -r more.txt\n",
        **{"more.txt": "rich\n"},
    )
    assert read.requirements == ("torch>=2", "rich")
    assert read.notes == ("not looked at, they are conda's: python=3.12",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies: [a, b\n", "not valid YAML"),
        ("name: x\n", "no list of dependencies"),
        ("dependencies:\n  - numpy\n", "no pip part"),
        ("dependencies:\n  - pip: numpy\n", "not a list of requirements"),
        ("dependencies:\n  - pip:\n    - '!?'\n", "not a requirement"),
        ("a: 2020-99-99\n", "not valid YAML: month must be in 1..12"),
        (f"a: {'[' * 5000}\n", "nested too deeply"),
        (f"a: {DIGITS}\n", "a number of a thousand digits"),
        (f"a: {'_'.join(DIGITS)}\n", "not valid YAML: .*5000 digits\n"),
        ("a: !!timestamp x\n", "not of the type that its tag says"),
        ("a: !!int ''\n", "not of the type that its tag says"),
        ("a: !!bool x\n", "not of the type that its tag says"),
        ('dependencies: [{pip: ["-r a\\0b"]}]\n', "not the path of a file"),
    ],
)
def test_an_environment_without_requirements_is_told(written, text, said):
    with pytest.raises(DefinitionError, match=said) as caught:
        written("environment.yml", text)
    assert caught.value.next_step


def test_the_install_lines_of_a_dockerfile(written):
    read = written(
        "Dockerfile",
        "FROM python:3.13\nARG NUMPY=2.1.0\n# RUN pip install never\nCOPY requirements.txt /src/\n"
        "RUN --mount=type=cache,target=/root/.cache apt-get update && \\\n"
        '    pip install --no-cache-dir -i https://x.example "numpy==${NUMPY}" \\\n'
        "      # the web\n      flask ; rm -rf /tmp/x\n"
        'RUN ["python3", "-m", "pip", "install", "rich"]\n'
        "RUN uv pip install --system -r /src/requirements.txt $MORE\n"
        "RUN <<EOF\npip3 install httpx\nEOF\nRUN echo pip install nothing\n",
        **{"requirements.txt": "h5py\n"},
    )
    assert read.requirements == ("numpy==2.1.0", "flask", "rich", "h5py", "httpx")
    assert "$MORE is not known before the build" in read.notes[0]


def test_a_lock_that_a_dockerfile_installs_is_read_as_it_is(written):
    read = written("Dockerfile", "RUN pip install -r lock.txt\n", **{"lock.txt": f"a==1 {HASH}\n"})
    assert isinstance(read, Lock)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM scratch\n", "no pip install line"),
        ("RUN pip install 'numpy\n", "cannot split the command"),
        ("RUN pip install num!py\n", "not a requirement"),
        ("RUN pip install -r gone.txt\n", "cannot read it"),
        (f"RUN pip install -r {'a' * 10_000}\n", "cannot read it"),
        ('RUN ["pip", "install", 5\n', "not a list in JSON"),
        ('RUN ["pip", ' + "[" * 200_000, "not a list in JSON: it is nested too deeply"),
    ],
)
def test_a_dockerfile_that_installs_nothing_is_told(written, text, said):
    with pytest.raises(DefinitionError, match=said) as caught:
        written("Dockerfile", text)
    assert caught.value.next_step


def test_a_test_of_the_shell_is_no_list(written):
    read = written("Dockerfile", 'RUN [ "$A" = "b" ] && pip install rich\n')
    assert read.requirements == ("rich",)


def test_files_that_include_each_other_in_a_ring_or_a_long_row_are_told(tmp_path):
    (tmp_path / "ring.txt").symlink_to("ring.txt")
    row = {f"{number}.txt": f"-r {number + 1}.txt\n" for number in range(500)}
    for name, text in {"first.txt": "-r ring.txt\n", **row}.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DefinitionError, match="too many levels of symbolic links"):
        read_inputs([str(tmp_path / "first.txt")])
    with pytest.raises(DefinitionError, match="more than 50 files include one another"):
        read_inputs([str(tmp_path / "0.txt")])


def test_lists_in_an_environment_that_multiply_are_not_written_out(written):
    doubled = "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(40))
    read = written(
        "environment.yml", f"a0: &a0 [x]\n{doubled}dependencies: [*a40, {{pip: [rich]}}]\n"
    )
    assert read.requirements == ("rich",)


@pytest.mark.parametrize("text", ["/" + "a" * 10_000, "a" * 10_000 + "/x.txt"])
def test_a_name_that_is_too_long_is_no_file(text):
    with pytest.raises(UsageError, match="no such file") as caught:
        read_inputs([text])
    assert len(str(caught.value)) < 600


def test_a_requirement_that_is_too_long_is_told_in_short():
    assert not is_file("a" * 10_000)
    for text in ("!" * 10_000, f"six=={DIGITS}"):
        with pytest.raises(DefinitionError) as caught:
            read_inputs([text])
        assert len(str(caught.value)) < 600


def test_inputs_that_do_not_go_together_are_refused(fixtures, tmp_path):
    lock = str(fixtures / "scan" / "uv.lock")
    for arguments in ([], [lock, "numpy"], [str(tmp_path)], [str(tmp_path / "gone.txt")]):
        with pytest.raises(UsageError) as caught:
            read_inputs(arguments)
        assert caught.value.next_step


def test_extras_are_of_projects_alone():
    with pytest.raises(UsageError, match="--extra is for"):
        read_inputs(["rich"], ["jupyter"])


def test_loose_inputs_are_taken_together(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text("numpy\n")
    assert read_inputs([str(path), "rich"]).requirements == ("numpy", "rich")


def test_a_file_of_hundreds_of_megabytes_is_not_read(tmp_path):
    path = tmp_path / "requirements.txt"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(UsageError, match="larger than 64 MB"):
        read_inputs([str(path)])


@pytest.mark.parametrize("text", ["rich", "rich>=14", "rich[jupyter]", "a @ https://x.example/a"])
def test_a_requirement_is_no_file(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_file(text)


@pytest.mark.parametrize("size", [1, 40, 400])
def test_no_bytes_at_all_make_it_fail_in_another_way(fixtures, tmp_path, size):
    """Cut and overwritten locks are read, or are told; nothing else may come out."""
    for name in ("uv.lock", "poetry.lock", "pylock.toml"):
        whole = (fixtures / "scan" / name).read_bytes()
        for start in range(0, len(whole), max(size, 97)):
            path = tmp_path / name
            path.write_bytes(whole[:start] + b"[x" + whole[start + size :])
            try:
                read = read_inputs([str(path)])
                assert isinstance(read, Lock)
                read.closure(S390X, TRIXIE)
            except ZportError as error:
                assert error.where
