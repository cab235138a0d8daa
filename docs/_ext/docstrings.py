"""Docstrings in Markdown, as Keras writes them, to what Sphinx reads.

Napoleon does the sections ("Args:", "Returns:"); this does the rest: code,
tables, links and the plural of `name`s.
"""

import re

import generated
from docutils import nodes
from sphinx import addnodes

LINKS = (nodes.reference, addnodes.pending_xref)
NAME = re.compile(r"keras_seg(\.\w+)+$")
FENCE = re.compile(r"^( *)```\w*$")
ROW = re.compile(r"^ *\|.*\|$")
RULE = re.compile(r"^ *\|[-:| ]+\|$")
LINK = re.compile(r"\[([^\[\]`]+)\]\(\s*(https?://[^\s)]+)\s*\)")
INLINE = re.compile(r"(`+)([^`]+)\1([A-Za-z]?)")
SECTION = re.compile(r"^\w[\w ]*:$")
ITEM = re.compile(r"^([-*]|\d+\.) ")
CELL = re.compile(r"(?<!\\)\|")


def convert(lines):
    """The lines of a docstring as reStructuredText.

    >>> convert(["| a | b |", "|---|---|", "| `c` | d |"])[:2]
    ['.. list-table::', '   :header-rows: 1']
    >>> convert(["See [Keras](", "https://keras.io) too."])
    ['See `Keras <https://keras.io>`__ too.']
    """
    text = LINK.sub(_link, "\n".join(lines))
    lines, converted, place = text.split("\n"), [], 0
    while place < len(lines):
        line = lines[place]
        end = _end_of_block(lines, place)
        if end is not None:
            block = lines[place:end]
            is_code = FENCE.match(line)
            converted += _code(block) if is_code else _table(block)
        elif _begins_indented_code(line, converted):
            end = place
            while end < len(lines) and (lines[end][:1] in ("", " ")):
                end += 1
            converted += ["::", "", *lines[place:end]]
        else:
            end = place + 1
            # Of a literal that two lines share, each has one end.
            whole = line.count("`") % 2 == 0
            converted.append(INLINE.sub(_inline, line) if whole else line)
        place = end
    return converted


def _begins_indented_code(line, before):
    """Whether four spaces behind a paragraph and a blank line are code."""
    if not line.startswith("    ") or not before or before[-1]:
        return False
    last = next((x for x in reversed(before) if x[:1].strip()), "- ")
    return not (SECTION.match(last) or ITEM.match(last))


def _link(match):
    words = " ".join(match[1].split())
    return f"`{words} <{match[2]}>`__"


def _inline(match):
    """`name`s with a plural; a literal, for a link to `.save` loses its dot."""
    ticks, text, plural = match.groups()
    ticks = "``" if text.startswith(".") else ticks
    return ticks + text + ticks + (f"\\ {plural}" if plural else "")


def _end_of_block(lines, place):
    """Behind the fenced code or the table that begins here, or None."""
    if FENCE.match(lines[place]):
        return next(
            i + 1 for i in range(place + 1, len(lines)) if FENCE.match(lines[i])
        )
    if ROW.match(lines[place]) and RULE.match(
        "\n".join(lines[place + 1 :][:1])
    ):
        end = place
        while end < len(lines) and ROW.match(lines[end]):
            end += 1
        return end
    return None


def _code(block):
    indent = FENCE.match(block[0])[1]
    return [f"{indent}::", "", *(f"    {line}" for line in block[1:-1]), ""]


def _table(block):
    indent = re.match(" *", block[0])[0]
    rows = [_cells(row) for row in block]
    del rows[1]
    head = ["   :header-rows: 1"] if any(rows[0]) else []
    lines = [".. list-table::", *head, ""]
    for row in rows if head else rows[1:]:
        for number, cell in enumerate(row):
            lines.append(("   * - " if number == 0 else "     - ") + cell)
    return [*(indent + line for line in lines), ""]


def _cells(row):
    inner = row.strip().removeprefix("|").removesuffix("|")
    return [cell.strip() for cell in CELL.split(inner)]


def _process(app, what, name, obj, options, lines):
    lines[:] = convert(lines)


def _link_names(app, doctree):
    """Makes code that is a public name of keras_seg a link to its page."""
    for node in list(doctree.findall(nodes.literal)):
        name = node.astext().partition("(")[0]
        if NAME.match(name) and not isinstance(node.parent, LINKS):
            link = addnodes.pending_xref(
                "",
                refdomain="py",
                reftype="obj",
                reftarget=generated.documented_name(name),
                refwarn=False,
                refexplicit=True,
                refdoc=app.env.docname,
            )
            node.replace_self(link)
            link += node


def setup(app):
    app.connect("doctree-read", _link_names)
    # Before Napoleon, whose priority is the default, 500.
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True}
