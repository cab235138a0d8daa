"""Pages that are written at each build, from the code they describe."""

import ast
import dataclasses
import importlib
import inspect
import json
import pathlib
import re
import tomllib
import types

import jupytext
import typer

import keras_seg
from keras_seg.cli.commands import app as command_line
from keras_seg.cli.doctor import FAULTS
from keras_seg.data.errors import DataError
from keras_seg.training import Settings
from keras_seg.training.suggest import FITTED
from keras_seg.training.suggest import REASONS

HERE = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = pathlib.Path(keras_seg.__file__).parent
TUTORIALS = sorted((HERE.parent / "tutorials").glob("*.py"))

# In the order in which somebody meets them; rooms of rooms come behind.
ROOMS = (
    *(
        "applications",
        "pretrained",
        "surgery",
        "data",
        "data.augment",
        "data.synthetic",
    ),
    *("losses", "metrics", "metrics.em", "optimizers", "schedules"),
    *("runs", "training", "training.recipes", "inference", "deployment"),
    *("hub", "distributed"),
    *("crf", "layers", "ops", "fast", "unsupervised", "visualization"),
)

KNOWN = {"{VOID}": "255", "{VOID - 1}": "254"}
CODE = re.compile(r"\| (KS-D\d+) \| (.*?) \|\n")


def write_pages():
    for path, text in {
        "reference/command_line.md": command_line_page(),
        "reference/errors.md": errors_page(),
        "reference/compatibility.md": compatibility_page(),
        "reference/settings.md": settings_page(),
        **room_pages(),
        **{f"tutorials/{x.stem}.ipynb": notebook(x) for x in TUTORIALS},
    }.items():
        file = HERE / path
        file.parent.mkdir(exist_ok=True)
        # Sphinx reads again what is newer.
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
    # Pages that autosummary made of names that are gone.
    for file in (HERE / "reference/api").glob("keras_seg.*.rst"):
        if file.stem not in documented.values():
            file.unlink()


# From the identity of a public class or function to where its page is.
documented: dict[int, str] = {}


def documented_name(name):
    """The name under which a public thing, known by any name, has its page."""
    thing = keras_seg
    for part in name.split(".")[1:]:
        thing = getattr(thing, part, None)
    return documented.get(id(thing), name)


def room_pages():
    """A page for each room: its docstring, and its public names."""
    pages = {}
    for room in ROOMS:
        module = importlib.import_module(f"keras_seg.{room}")
        objects = {name: getattr(module, name) for name in module.__all__}
        pages[f"reference/api/{room}.rst"] = _room_page(
            module.__name__, objects
        )
    return pages


def _room_page(room, objects):
    lines = [room, "=" * len(room), ""]
    lines += [f".. automodule:: {room}", "   :no-members:", ""]
    lines += [f".. currentmodule:: {room}", ""]
    kinds = {"Functions": [], "Classes": [], "Values": [], "Also here": []}
    for name, thing in objects.items():
        if isinstance(thing, types.ModuleType):
            kinds["Also here"].append(f":py:mod:`{thing.__name__}`")
        elif not callable(thing):
            text = repr(thing)
            value = f"   :value: {text}" if len(text) < 100 else ""
            kinds["Values"] += [f".. py:data:: {name}", value, ""]
        elif id(thing) in documented:
            kinds["Also here"].append(f":py:obj:`{documented[id(thing)]}`")
        else:
            documented[id(thing)] = f"{room}.{name}"
            is_class = inspect.isclass(thing)
            kinds["Classes" if is_class else "Functions"].append(name)
    for kind in ("Functions", "Classes"):
        if kinds[kind]:
            lines += [f".. rubric:: {kind}", "", ".. autosummary::"]
            lines += ["   :toctree:", ""]
            lines += [f"   {name}" for name in sorted(kinds[kind])] + [""]
    if kinds["Values"]:
        lines += [".. rubric:: Values", "", *kinds["Values"]]
    if kinds["Also here"]:
        lines += ["Also here: " + ", ".join(kinds["Also here"]) + "."]
    return "\n".join(lines)


def command_line_page():
    """Each command with its arguments and options, as `--help` has them."""
    group = typer.main.get_command(command_line)
    lines = [
        "# Command line",
        "",
        "Written by `keras-seg --help` when these pages were built.",
        "",
        f"`keras-seg [OPTIONS] COMMAND` · {_paragraphs(group.help)}",
        "",
        *_parameters(group),
    ]
    for name, command in group.commands.items():
        arguments = [x for x in command.params if not _is_option(x)]
        usage = ["keras-seg", name, "[OPTIONS]", *map(_metavar, arguments)]
        lines += [f"({name}-command)=", f"## keras-seg {name}", ""]
        lines += ["```text", " ".join(usage), "```", ""]
        lines += [_paragraphs(command.help), "", *_parameters(command)]
    return "\n".join(lines)


def settings_page():
    """Every setting of a run with its default, and why that is what it is."""
    lines = [
        "# Settings of a run",
        "",
        "The fields of `keras_seg.training.Settings`, which are also options "
        "of `keras-seg train` and keys of its `--config`. What they mean is "
        "in the [reference](api/runs.rst); here is why each default is what "
        "it is. A figure is a mean IoU unless it says otherwise.",
        "",
        "| setting | default | why |",
        "|---|---|---|",
    ]
    default = Settings()
    for field in dataclasses.fields(Settings):
        value = getattr(default, field.name)
        shown = "fitted" if field.name in FITTED else f"`{value}`"
        lines.append(f"| `{field.name}` | {shown} | {REASONS[field.name]} |")
    return "\n".join(lines) + "\n"


def _is_option(parameter):
    return parameter.opts[0].startswith("-")


def _metavar(parameter):
    metavar = parameter.metavar or parameter.name.upper()
    return metavar if parameter.required else f"[{metavar}]"


def _paragraphs(text):
    return inspect.cleandoc(text or "").replace("...", "…")


def _parameters(command):
    lines = ["| | what it does | default |", "|---|---|---|"]
    for parameter in command.params:
        names = [*parameter.opts, *parameter.secondary_opts]
        shown = " ".join(f"`{name}`" for name in names)
        if not _is_option(parameter):
            shown = f"`{_metavar(parameter)}`"
        elif not parameter.is_flag:
            shown += f" `{parameter.metavar or parameter.name.upper()}`"
        text = (parameter.help or "").replace("...", "…")
        cells = (shown, text, _default(parameter))
        cells = [cell.replace("|", "\\|") for cell in cells]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def _default(parameter):
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if not parameter.show_default or parameter.default is None:
        return ""
    if isinstance(parameter.default, bool):
        has_no = bool(parameter.secondary_opts)
        return ("yes" if parameter.default else "no") if has_no else ""
    if isinstance(parameter.default, tuple):
        return " ".join(map(str, parameter.default))
    return str(parameter.default)


def compatibility_page():
    """Lower bounds of what is required, and the known faults of Keras."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())
    project = project["project"]
    lines = [
        "# Compatibility",
        "",
        f"Python {project['requires-python']}, on Linux, macOS and Windows. "
        "The tests run on TensorFlow, JAX and PyTorch in the newest versions, "
        "and before a release with the lowest ones that are allowed "
        "(`make test-lowest`):",
        "",
        "| extra | packages |",
        "|---|---|",
    ]
    extras = {"(always)": project["dependencies"]}
    extras |= project["optional-dependencies"]
    for extra, packages in extras.items():
        listed = ", ".join(f"`{package}`" for package in packages)
        lines.append(f"| {extra} | {listed} |")
    lines += [
        "",
        "A model that one backend saved loads on the others. Which formats "
        "each of them writes: [export](export_table.md).",
        "",
        "## Known faults of Keras",
        "",
        "`keras-seg doctor` lists those of the installed version.",
        "",
        "| Keras | backend | fault | what guards against it |",
        "|---|---|---|---|",
    ]
    for versions, backend, fault, guard in FAULTS:
        lines.append(f"| {versions} | {backend or 'all'} | {fault} | {guard} |")
    return "\n".join([*lines, ""])


def errors_page():
    """The codes of `DataError`, and what is said where one is raised."""
    raised = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call):
                _note_call(call, raised)
    lines = [
        "# Error codes",
        "",
        "What is wrong with files has a code, the same in the sentence of an "
        "error, in the report of [`keras-seg check`](#check-command) and in "
        "its JSON. Each sentence names the file, what was found, what is "
        "allowed and the fix; … stands for what is different each time.",
        "",
    ]
    for code, meaning in CODE.findall(DataError.__doc__ or ""):
        said = dict.fromkeys(raised.get(code, ()))
        kinds = " or ".join(sorted({kind for kind, *_ in said}))
        lines += [f"({code})=", f"## {code}", ""]
        lines += [f"{meaning[0].upper()}{meaning[1:]} ({kinds}).", ""]
        lines += ["| found | allowed | fix |", "|---|---|---|"]
        lines += [f"| {' | '.join(sentence)} |" for _, *sentence in said]
        lines.append("")
    return "\n".join(lines)


def _note_call(call, raised):
    """Notes what a call says that has a code among its arguments."""
    given = [_text(argument) for argument in call.args]
    place = next((i for i, x in enumerate(given) if x.startswith("KS-D")), None)
    fix = next((x.value for x in call.keywords if x.arg == "fix"), None)
    if place is None or fix is None or len(given) < place + 4:
        return
    first = given[0]
    kind = first if first in ("warning", "note") else "error"
    known = raised.setdefault(given[place], [])
    known.append((kind, *given[place + 2 : place + 4], _text(fix)))


def _text(node):
    """A string of the source, with … for what is only known later."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("|", "\\|")
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.FormattedValue) and ast.unparse(node) in KNOWN:
        return KNOWN[ast.unparse(node)]
    if isinstance(node, ast.IfExp):
        return f"{_text(node.body)}, or {_text(node.orelse)}"
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "…"


def notebook(script):
    """The script of a tutorial as a notebook, without outputs."""
    cells = jupytext.read(script, fmt="py:percent")
    # What the page runs it with, and what a reader's Jupyter looks for.
    cells.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    for number, cell in enumerate(cells.cells):
        cell.id = str(number)  # Drawn at random otherwise.
    return jupytext.writes(cells, fmt="ipynb")


# In a notebook, TensorFlow writes its warnings of retracing to stdout, and sets
# the level of its logger itself.
QUIET = """# %% tags=["remove-cell"]
import logging

logging.getLogger("tensorflow").addFilter(lambda record: record.levelno >= 40)
"""


def _prepare_tutorial(app, docname, source):
    """Links a tutorial's notebook and script, and keeps TensorFlow quiet."""
    name = docname.removeprefix("tutorials/")
    if name not in {script.stem for script in TUTORIALS}:
        return
    page = json.loads(source[0])
    title, text = "".join(page["cells"][0]["source"]).split("\n", 1)
    page["cells"][0]["source"] = (
        f"{title}\n\n{{download}}`Notebook <{name}.ipynb>` · "
        f"{{download}}`script <../../tutorials/{name}.py>`\n{text}"
    )
    hidden = jupytext.reads(QUIET, "py:percent")
    page["cells"].insert(1, {**hidden.cells[0], "id": "quiet"})
    source[0] = json.dumps(page)


def setup(app):
    write_pages()
    app.connect("source-read", _prepare_tutorial)
    return {"parallel_read_safe": True}
