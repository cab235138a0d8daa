"""The pages of docs/: their Python runs, their links lead somewhere, the names
and options in them exist. `make docs` builds them, and runs the gallery."""

import csv
import importlib
import pathlib
import re
import shlex
import tomllib

import pytest
import typer

import keras_seg
from keras_seg import training
from keras_seg.cli.commands import app
from keras_seg.data import synthetic
from keras_seg.visualization import save_image
from tests.pretrained.torchvision.test_convert import LRASPP
from tests.pretrained.torchvision.test_convert import golden_state

pytestmark = pytest.mark.once

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
# Written by the build.
GENERATED = ("gallery", "reference/api", "_build")
WRITTEN = (
    "reference/command_line.md",
    "reference/compatibility.md",
    "reference/errors.md",
    "reference/settings.md",
)
PAGES = {
    str(file.relative_to(DOCS)): file.read_text("utf-8")
    for file in sorted(DOCS.rglob("*.md"))
    if not str(file.relative_to(DOCS)).startswith(GENERATED + WRITTEN)
}
TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))
for file in TUTORIALS:
    # Their text cells, at the place of the page.
    cells = file.read_text("utf-8").split("\n# %%")
    cells = [x for x in cells if x.lstrip("# %").startswith("[markdown]")]
    text = re.sub(r"^# ?", "", "\n".join(cells), flags=re.MULTILINE)
    PAGES[f"tutorials/{file.stem}.md"] = text
FENCE = re.compile(r"^(`{3,}|:{3,}).*?^\1", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What a page takes for granted, or what would take minutes or the network.
SHORTER = {
    '"mobilenet_v2", classes': '"mobilenet_v2", None, classes',
    "RandomCrop(256)": "RandomCrop(32)",
    "epochs=20": "epochs=1",
    'pretrained.load("deeplabv3_mobilenet_v3_large")': (
        'pretrained.from_torchvision("deeplab.safetensors")'
    ),
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with DATA, RUN and photo.jpg, as the pages name them."""
    desk = tmp_path_factory.mktemp("desk")
    images, masks = synthetic.shapes(6, size=64, classes=3)
    classes = synthetic.shape_classes(3)
    for split, part in ("train", slice(4)), ("val", slice(4, None)):
        synthetic.write_folder(
            desk / "DATA", images[part], masks[part], classes, split
        )
    save_image(desk / "photo.jpg", images[0])
    settings = training.Settings(
        model="unet",
        backbone=None,
        weights=None,
        options={"filters": 2, "depth": 1},
        epochs=1,
        crop=32,
    )
    source = training.DataSource(str(desk / "DATA"))
    data = source.read()
    model, _ = training.train(
        settings, *data, desk / "RUN", source=source, verbose=0
    )
    # PyTorch writes one size.
    keras_seg.export(model, desk / "RUN/best.onnx", size=(64, 64))
    numpy = pytest.importorskip("safetensors.numpy")
    state = golden_state(LRASPP)
    numpy.save_file(state, desk / "deeplab.safetensors")
    return desk


@pytest.mark.parametrize("page", [p for p in PAGES if PYTHON.search(PAGES[p])])
def test_python_runs(page, desk, monkeypatch):
    """The blocks of a page one after the other, as a reader runs them."""
    monkeypatch.chdir(desk)
    names = {"__name__": "page"}
    for code in PYTHON.findall(PAGES[page]):
        for long, short in SHORTER.items():
            code = code.replace(long, short)
        exec(compile(code, page, "exec"), names)


def slug(heading):
    """The anchor that MyST, like GitHub, gives a heading."""
    text = re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(text):
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    labels = re.findall(r"^\((.+)\)=$", text, re.MULTILINE)
    return {*map(slug, headings), *labels}


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page):
    text = PAGES[page]
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    links += re.findall(r"^:link: (\S+)$", text, re.MULTILINE)
    for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.M | re.S):
        entries = [x for x in tree.split("\n") if x and x[0] != ":"]
        links += [re.sub(r".*<(.*)>", r"\1", entry) for entry in entries]
    for link in links:
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        file = (DOCS / page).parent / path if path else DOCS / page
        file = file.resolve()
        if not file.suffix:
            file = file.with_name(file.name + ".md")
        name = str(file.relative_to(ROOT)).removeprefix("docs/")
        if name.startswith(GENERATED + WRITTEN):
            continue
        if file.parent == DOCS / "tutorials" and file.stem != "index":
            file = ROOT / f"tutorials/{file.stem}.py"
        assert file.is_file(), f"{page} links to {link}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(_with_includes(file)), f"{page}: {link}"


def _with_includes(file):
    text = file.read_text("utf-8")
    for included in re.findall(r"^```\{include\} (\S+)", text, re.MULTILINE):
        text += (file.parent / included).read_text("utf-8")
    return text


def test_commands_exist():
    """Every option of `keras-seg` that a page names is one of its command."""
    commands = typer.main.get_command(app).commands
    known = {
        name: {x for p in command.params for x in p.opts + p.secondary_opts}
        for name, command in commands.items()
    }
    seen = 0
    for page, text in PAGES.items():
        for block in SHELL.findall(text):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] != ["keras-seg"] or words[1].startswith("-"):
                    continue
                seen += 1
                options = {x for x in words if x.startswith("--")}
                assert options <= known[words[1]], f"{page}: {line}"
    assert seen > 10


def test_names_exist():
    """Every `keras_seg.…` that stands in a page as code can be imported."""
    for page, text in PAGES.items():
        for name in set(re.findall(r"`(keras_seg(?:\.(?!json)\w+)+)", text)):
            assert _exists(name), f"{page} names {name}"


def _exists(name):
    thing, rest = keras_seg, name.split(".")[1:]
    for part in rest:
        if not hasattr(thing, part):
            try:
                importlib.import_module(f"{thing.__name__}.{part}")
            except (AttributeError, ModuleNotFoundError):
                return False
        thing = getattr(thing, part)
    return True


def test_extras_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    development = {"test", "test-weights", "lint", "docs"}
    extras = {*project["optional-dependencies"]} - development
    table = re.findall(r"^\| `([\w-]+)` \|", PAGES["start/install.md"], re.M)
    assert {*table} == extras - {"tensorflow", "jax", "torch"}


def test_figures_of_the_zoo_are_those_of_their_pages():
    """Each value of the raw results stands where its command is described."""
    with (DOCS / "zoo/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        folder = (ROOT / row["command"].split()[0]).parent
        text = (folder / "README.md").read_text("utf-8")
        assert (ROOT / row["command"].split()[0]).is_file()
        for figure in (row["value"], row["seconds"]):
            assert figure in text, row


def test_examples_are_short():
    """At most 40 lines, besides the text at the top and empty lines."""
    examples = sorted(DOCS.glob("examples/*/plot_*.py"))
    assert len(examples) >= 8
    for file in examples:
        code = file.read_text().split('"""', 2)[2]
        assert len([x for x in code.splitlines() if x]) <= 40, file.name
