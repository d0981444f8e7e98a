"""Finds the functions of a C file by its braces: name, lines, parameters, depth of nesting.

A parser of what this tree's C looks like, not of C: no old-style definitions, no trigraphs.
"""

import dataclasses

import source

CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclasses.dataclass
class Function:
    name: str
    line: int        # of the definition's first token
    length: int      # lines, from there to the closing brace
    parameters: int
    nesting: int     # levels of if, for, while, do, switch within each other


class Unbalanced(Exception):
    pass


def skip_group(tokens, i):
    """The index behind the group that opens at i."""
    expected = []
    while i < len(tokens):
        token = tokens[i][0]
        if token in CLOSING:
            expected.append(CLOSING[token])
        elif token in CLOSING.values():
            if not expected or expected.pop() != token:
                raise Unbalanced(f"line {tokens[i][1]}: unexpected {token}")
            if not expected:
                return i + 1
        i += 1
    raise Unbalanced("the file ends within braces")


class Body:
    """Measures how deep the statements of a function are nested."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.i = 0
        self.deepest = 0

    def peek(self, ahead=0):
        i = self.i + ahead
        return self.tokens[i][0] if i < len(self.tokens) else ""

    def skip_parentheses(self):
        if self.peek() == "(":
            self.i = skip_group(self.tokens, self.i)

    def block(self, depth):
        self.i += 1
        while self.i < len(self.tokens) and self.peek() != "}":
            self.statement(depth)
        self.i += 1

    def inner(self, depth):
        self.deepest = max(self.deepest, depth + 1)
        self.statement(depth + 1)

    def statement(self, depth):
        token = self.peek()
        if token == "{":
            self.block(depth)
        elif token in ("for", "while", "switch"):
            self.i += 1
            self.skip_parentheses()
            self.inner(depth)
        elif token == "if":
            self.if_statement(depth)
        elif token == "do":
            self.i += 1
            self.inner(depth)
            self.i += 1  # while
            self.skip_parentheses()
            self.i += 1  # ;
        elif token in ("case", "default"):
            while self.i < len(self.tokens) and self.peek() != ":":
                self.i += 1
            self.i += 1
        elif token.isidentifier() and self.peek(1) == ":":
            self.i += 2  # a label; its statement follows
        else:
            self.expression(depth)

    def if_statement(self, depth):
        self.i += 1
        self.skip_parentheses()
        self.inner(depth)
        if self.peek() == "else":
            self.i += 1
            if self.peek() == "if":  # a chain is one level, however long
                self.if_statement(depth)
            else:
                self.inner(depth)

    def expression(self, depth):
        """Up to its semicolon; NAME(...) { is a loop that hides in a macro."""
        start = self.i
        while self.i < len(self.tokens):
            token = self.peek()
            if token == ";":
                self.i += 1
                return
            if token == "}":
                return
            if token == "{" and self.is_macro_loop(start):
                self.inner(depth)
                return
            self.i = skip_group(self.tokens, self.i) if token in CLOSING else self.i + 1

    def is_macro_loop(self, start):
        words = self.tokens[start:self.i]
        return (
            len(words) > 2 and words[0][0].isidentifier() and words[1][0] == "("
            and skip_group(self.tokens, start + 1) == self.i
        )


def count_parameters(tokens):
    """Of the tokens between a function's parentheses."""
    if not tokens or [token for token, _ in tokens] == ["void"]:
        return 0
    count, depth = 1, 0
    for token, _ in tokens:
        depth += (token in CLOSING) - (token in CLOSING.values())
        count += depth == 0 and token == ","
    return count - (tokens[-1][0] == "...")


def head_of(tokens):
    """(name, parameters) when these tokens, which a brace follows, begin a function; else None."""
    if not tokens or tokens[-1][0] != ")":
        return None
    groups, i = [], 0
    while i < len(tokens):
        token = tokens[i][0]
        if token == "=":
            return None
        if token in ("__attribute__", "__asm__", "_Alignas"):
            i = skip_group(tokens, i + 1)
        elif token == "(":
            end = skip_group(tokens, i)
            groups.append((i, end))
            i = end
        else:
            i += 1
    if not groups:
        return None
    start, end = groups[-1]
    parameters = count_parameters(tokens[start + 1:end - 1])
    first = groups[-2] if len(groups) > 1 and groups[-2][1] == start else groups[-1]
    # NAME_MACRO(name)(parameters) is called by all that stands before its parameters.
    name = "".join(token for token, _ in tokens[first[0] - 1:start])
    return (name, parameters)


def parse(code):
    found, begin, i = [], 0, 0
    tokens = source.tokens(code)
    while i < len(tokens):
        token = tokens[i][0]
        if token == ";":
            begin = i = i + 1
        elif token == "{":
            head = head_of(tokens[begin:i])
            end = skip_group(tokens, i)
            if head is not None:
                body = Body(tokens[i:end])
                body.block(0)
                line = tokens[begin][1]
                length = tokens[end - 1][1] - line + 1
                found.append(Function(head[0], line, length, head[1], body.deepest))
                begin = end
            i = end
        elif token in CLOSING:
            i = skip_group(tokens, i)
        elif token in CLOSING.values():
            raise Unbalanced(f"line {tokens[i][1]}: unexpected {token}")
        else:
            i += 1
    return found


def functions(text):
    """The functions of a C file. All branches of #if count, unless that leaves braces open."""
    blanked = source.blank(text)
    try:
        return parse(source.without_preprocessor(blanked))
    except Unbalanced:
        return parse(source.without_preprocessor(blanked, first_branch_only=True))
