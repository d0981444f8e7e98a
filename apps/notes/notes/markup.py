"""A note's text as HTML: a small, forgiving Markdown.

Headings (#), lists (-, 1.), tasks (- [ ]), quotes (>), rules (---), fenced and inline code,
**bold**, *italic*, links and #tags. A line break is a line break. Every character of the text goes
through html(), and no pattern here looks further than the next character of its own kind, so that
rendering takes time in proportion to the text.
"""

import re
from urllib.parse import quote

from .template import Html, html, join

_FENCE = "```"
_HEADING = re.compile(r"(#{1,3}) +(\S.*)")
_RULE = re.compile(r" *(?:-{3,}|\*{3,}|_{3,}) *")
_ITEM = re.compile(
    r"(?P<indent>[ \t]*)(?P<mark>[-*+]|\d{1,9}[.)]) +(?:\[(?P<tick>[ xX])\] +)?(?P<text>\S.*)"
)
_QUOTE = re.compile(r"> ?(.*)")
_INLINE = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|\[(?P<label>[^\[\]]+)\]\((?P<href>https?://[^\s()]+)\)"
    r"|(?P<url>https?://[^\s<>\"]*[^\s<>\".,;:!?)*_])"
    r"|\*\*(?P<bold>[^*\s](?:[^*]*[^*\s])?)\*\*"
    r"|(?<![\w*])\*(?P<italic>[^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"
    r"|(?<!\w)_(?P<italic2>[^_\s](?:[^_]*[^_\s])?)_(?!\w)"
    r"|~~(?P<struck>[^~\s](?:[^~]*[^~\s])?)~~"
    r"|(?<![\w#&/])(?P<tag>#[^\W\d_][^\W_]*)"
)
_EMPHASIS = re.compile(r"\*\*|~~|`|(?<![\w*])\*(?=[^*\s])|(?<=[^*\s])\*(?![\w*])")
_TASK = re.compile(r"([ \t]*(?:[-*+]|\d{1,9}[.)]) +\[)([ xX])(\] +\S)")


def render(text):
    """Return the text as Html. Tasks are buttons: name "line", value the line's number from 0."""
    lines = text.split("\n")
    blocks, at = [], 0
    while at < len(lines):
        block, at = _block(lines, at)
        blocks.append(block)
    return join(blocks)


def toggle_task(text, line):
    """Return the text with the task in that line (from 0) ticked, or unticked if it was ticked.

    Raises ValueError when there is no task in that line.
    """
    lines = text.split("\n")
    task = _TASK.match(lines[line]) if 0 <= line < len(lines) else None
    if not task:
        raise ValueError(f"line {line} is no task")
    ticked = " " if task[2] in "xX" else "x"
    lines[line] = task[1] + ticked + lines[line][task.start(3) :]
    return "\n".join(lines)


def plain(text):
    """Return the text for a preview: no empty lines, no marks, lists with bullets and boxes."""
    lines = []
    for line in text.split("\n"):
        item = _ITEM.fullmatch(line)
        heading = _HEADING.fullmatch(line)
        if item:
            box = {None: "•", " ": "☐"}.get(item["tick"], "☑")
            lines.append(f"{box} {item['text']}")
        elif heading:
            lines.append(heading[2])
        elif line.strip() and not line.startswith(_FENCE) and not _RULE.fullmatch(line):
            lines.append(line.removeprefix("> "))
    return _EMPHASIS.sub("", "\n".join(lines))


def _block(lines, at):
    """Return (the Html of the block that starts at lines[at], the index after its last line)."""
    line = lines[at]
    if not line.strip():
        return Html(""), at + 1
    if line.startswith(_FENCE):
        return _code(lines, at + 1)
    if _RULE.fullmatch(line):
        return Html("<hr>"), at + 1
    if heading := _HEADING.fullmatch(line):
        level = len(heading[1]) + 1  # the note's title is the h1
        return Html(f"<h{level}>{_inline(heading[2])}</h{level}>"), at + 1
    if _ITEM.fullmatch(line):
        return _list(lines, at)
    if _QUOTE.fullmatch(line):
        taken, at = _take(lines, at, _QUOTE.fullmatch)
        return Html(f"<blockquote><p>{_breaks(quoted[1] for quoted in taken)}</p></blockquote>"), at
    return _paragraph(lines, at)


def _take(lines, at, match):
    """Return (the matches of the lines from at on that all match, the index after them)."""
    taken = []
    while at < len(lines) and (found := match(lines[at])):
        taken.append(found)
        at += 1
    return taken, at


def _paragraph(lines, at):
    """Return the paragraph from lines[at] up to an empty line or another kind of block."""
    end = at + 1
    while end < len(lines) and lines[end].strip() and not _starts_block(lines[end]):
        end += 1
    return Html(f"<p>{_breaks(lines[at:end])}</p>"), end


def _starts_block(line):
    """Tell whether the line ends a paragraph by being something else."""
    patterns = (_RULE, _HEADING, _ITEM, _QUOTE)
    return line.startswith(_FENCE) or any(pattern.fullmatch(line) for pattern in patterns)


def _code(lines, at):
    """Return the fenced code from lines[at] up to a fence, or the end where there is none."""
    end = at
    while end < len(lines) and not lines[end].startswith(_FENCE):
        end += 1
    code = html("\n".join(lines[at:end]))
    return Html(f'<pre tabindex="0"><code>{code}</code></pre>'), end + 1


def _list(lines, at):
    """Return the list that starts at lines[at], lists inside it included."""
    items, end = _take(lines, at, _ITEM.fullmatch)
    numbered = [(at + offset, item) for offset, item in enumerate(items)]
    return _nest(numbered), end


def _nest(items):
    """Return the items, pairs of (line, match), as a list; deeper ones make lists inside it.

    One pass with a stack of indents, so that no depth of nesting can exhaust Python's own stack.
    """
    parts, stack = [], []
    for line, item in items:
        indent = len(item["indent"].expandtabs(4))
        while len(stack) > 1 and indent < stack[-1][0]:
            parts.append(Html(f"</li></{stack.pop()[1]}>"))
        if stack and indent <= stack[-1][0] + 1:
            parts.append(Html("</li>"))
        else:
            kind = "ul" if item["mark"] in "-*+" else "ol"
            parts.append(Html(f"<{kind}>"))
            stack.append((indent, kind))
        parts.append(_item(line, item))
    parts.extend(Html(f"</li></{kind}>") for _, kind in reversed(stack))
    return join(parts)


def _item(line, item):
    """Return one list item, its end tag left out. line: where it stands in the text, from 0."""
    text = _inline(item["text"])
    if item["tick"] is None:
        return Html(f"<li>{text}")
    checked = "false" if item["tick"] == " " else "true"
    return Html(
        f'<li class="task"><button class="tick" id="task-{line}" name="line" value="{line}"'
        f' role="checkbox" aria-checked="{checked}" aria-labelledby="text-{line}"></button>'
        f'<span id="text-{line}">{text}</span>'
    )


def _breaks(lines):
    """Return the lines with line breaks between them."""
    return Html("<br>".join(map(_inline, lines)))


def _inline(text):
    """Return one line's text as Html, with code, links, emphasis and tags."""
    parts, at = [], 0
    for match in _INLINE.finditer(text):
        parts.append(html(text[at : match.start()]))
        parts.append(_span(match))
        at = match.end()
    parts.append(html(text[at:]))
    return join(parts)


def _span(match):
    """Return the Html of one match of _INLINE."""
    kind, text = match.lastgroup, match[match.lastgroup]
    if kind == "code":
        return Html(f"<code>{html(text)}</code>")
    if kind in ("href", "url"):
        return _link(text, match["label"] or text)
    if kind == "tag":
        return Html(f'<a class="tag" href="/?q={quote(text)}">{html(text)}</a>')
    element = {"bold": "strong", "italic": "em", "italic2": "em", "struck": "s"}[kind]
    return Html(f"<{element}>{_inline(text)}</{element}>")


def _link(address, label):
    """Return a link to another site, which learns nothing of this one."""
    return Html(f'<a href="{html(address)}" rel="noopener noreferrer">{html(label)}</a>')
