"""The source format: from a file or a designer's reply to ``RewardCode``.

A plain Python file is taken whole, but for what it does when it is run as a script. A reply must
hold exactly one fenced block. Helper functions are part of the reward; the gate wants them above
``compute_reward``.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rewardgen.rewards.findings import Finding, Kind, RewardCodeError, more, shortened
from rewardgen_envs.errors import UsageError

ENTRY = "compute_reward"
SIGNATURE = f"def {ENTRY}(state, action, next_state):"
MAX_SOURCE_BYTES = 20_000
MAX_FILE_BYTES = 2**20
"""What is read of a file: a reply may hold long thoughts beside its code."""
MAX_BRACKET_DEPTH = 60
_FEW = 3
_FENCE = re.compile(r"^ {0,3}```")
_LOOKS_LIKE_CODE = re.compile(
    rf"^[ \t]*(async[ \t]+)?def[ \t]+{ENTRY}\b|^[ \t]*(import|from)[ \t]+\w+", re.M
)


class ParseError(RewardCodeError):
    """The text holds no usable reward."""


@dataclass(frozen=True)
class RewardCode:
    r"""A reward in source form that is valid Python with a ``compute_reward`` of three arguments.

    Made by ``parse_reward``.

    Attributes:
        source: the normalized source: no BOM, ``\n`` line ends, no trailing blanks; blank where
            ``if __name__ == "__main__":`` stood, which nothing here runs.
    """

    source: str

    @cached_property
    def sha256(self) -> str:
        """Hash of the normalized source without leading blank lines."""
        return hashlib.sha256(self.source.lstrip("\n").encode()).hexdigest()

    def tree(self) -> ast.Module:
        """Return a fresh syntax tree; its lines are those of ``source``."""
        return ast.parse(self.source)


def parse_reward(text: str) -> RewardCode:
    """Parse a reward file, or a reply with one fenced block.

    A text can make Python's parser crash or take very long: what a stranger wrote is parsed in a
    process of its own first, see ``HostPool.read``.

    Raises:
        ParseError: carries the finding that says what is wrong, where, and what to do.
    """
    text = bounded(text)
    lines, fences = _fenced(text)
    # a file may show a fence in a docstring, so a text that is Python as a whole is a file
    source = text if not fences or _is_python(text) else _block(lines, fences)
    source = _normalized(source)
    _check_size(source)
    tree = _parsed(source)
    code = RewardCode(_without_script(source, tree))
    _check_signature(_parsed(code.source) if code.source != source else tree)
    return code


def bounded(text: str) -> str:
    """Return what a parser is given of a file or reply; of a long reply that is its block.

    Raises:
        ParseError: it is too long, its blocks cannot be told, or no file can hold it.
    """
    text = _normalized(text)
    if _size(text) <= MAX_SOURCE_BYTES:
        return text
    lines, fences = _fenced(text)
    if fences:
        text = _normalized(_block(lines, fences))
    _check_size(text)
    return text


def reply_code(text: str, start: str = f"def {ENTRY}") -> str:
    """Return the one block of a reply if it holds the reward, else the whole; parses nothing.

    Args:
        text: the reply.
        start: how the reward begins.
    """
    if start not in text:
        return text
    text = _normalized(text)
    lines, fences = _fenced(text)
    if len(fences) == 2:
        block = _block(lines, fences)
        if start in block:
            return _normalized(block)
    return text


def read_source(path: Path) -> str:
    """Return the text of a reward file.

    Raises:
        UsageError: the file cannot be read.
        ParseError: the file is not text, or too long for a reply even.
    """
    try:
        data = _read(path)
    except OSError as error:
        raise UsageError(f"cannot read reward file {path}: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise _error(
            "too-long",
            None,
            f"{path} has more than {MAX_FILE_BYTES:,} bytes",
            f"give a reward of at most {MAX_SOURCE_BYTES:,} bytes, or the reply that holds it",
            "policy",
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _error(
            "encoding",
            data.count(b"\n", 0, error.start) + 1,
            f"{path} is not UTF-8 text: {error.reason} at byte {error.start}",
            "save it as UTF-8",
        ) from error


def _read(path: Path) -> bytes:
    """Return the content of a regular file, and one byte too many of one that is too long.

    Raises:
        UsageError: it is something else, which may have no end.
        OSError: it cannot be read.
    """
    # without waiting for whoever might write to a pipe
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(file).st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"{path} is a folder: name the reward file in it")
        if not stat.S_ISREG(mode):
            raise UsageError(f"{path} is not a regular file: save the reward to a file")
        with open(file, "rb", closefd=False) as opened:
            return opened.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(file)


def read_reward(path: Path) -> RewardCode:
    """Parse a reward file.

    Raises:
        UsageError: the file cannot be read.
        ParseError: it holds no usable reward; carries the finding.
    """
    return parse_reward(read_source(path))


def _error(
    rule: str, line: int | None, message: str, remedy: str, kind: Kind = "contract"
) -> ParseError:
    return ParseError(
        Finding("parse", kind, rule, "error", line, shortened(message), shortened(remedy))
    )


def _normalized(text: str) -> str:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return "\n".join(line.rstrip(" \t") for line in text.split("\n")).rstrip("\n") + "\n"


def _fenced(text: str) -> tuple[list[str], list[int]]:
    """Return the lines of a text, and the numbers of those that open or close a block."""
    lines = text.split("\n")
    return lines, [i for i, line in enumerate(lines) if _FENCE.match(line)]


def _size(text: str) -> int:
    """Return the size of a text in bytes."""
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise _error(
            "encoding",
            text.count("\n", 0, error.start) + 1,
            f"the line holds U+{ord(text[error.start]):04X}, half of a character",
            "remove it",
        ) from error


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _block(lines: list[str], fences: list[int]) -> str:
    if len(fences) % 2:
        raise _error(
            "unclosed-block",
            fences[-1] + 1,
            f"the code block opened on line {fences[-1] + 1} of the reply is not closed",
            "give the whole code in one block that ends with ```",
        )
    if len(fences) > 2:
        starts = more([line + 1 for line in fences[::2]], _FEW)
        raise _error(
            "several-blocks",
            None,
            f"the reply holds {len(fences) // 2} code blocks (lines {starts}), not one",
            "put everything, helper functions too, into exactly one ```python block",
        )
    opening = lines[fences[0]]
    # as Markdown has it: within a list, code is as far indented as its fence
    indented = re.compile(f"^ {{0,{len(opening) - len(opening.lstrip())}}}")
    return "\n".join(indented.sub("", line) for line in lines[fences[0] + 1 : fences[1]])


def _check_size(source: str) -> None:
    size = _size(source)
    if size > MAX_SOURCE_BYTES:
        raise _error(
            "too-long",
            None,
            f"the code has {size} bytes, more than {MAX_SOURCE_BYTES}",
            "write a shorter reward",
            "policy",
        )
    depth = 0
    for number, line in enumerate(source.split("\n"), start=1):
        for character in line:
            depth += (character in "([{") - (character in ")]}")
            if depth > MAX_BRACKET_DEPTH:
                raise _error(
                    "too-deep",
                    number,
                    f"brackets are nested more than {MAX_BRACKET_DEPTH} deep",
                    "split the expression into several assignments",
                    "policy",
                )


def _parsed(source: str) -> ast.Module:
    if not source.strip():
        raise _error("empty", None, "there is no code", f"write {SIGNATURE}")
    if "\0" in source:
        line = source.count("\n", 0, source.index("\0")) + 1
        raise _error("syntax", line, "the line holds a NUL character", "remove the NUL characters")
    try:
        return ast.parse(source)
    except SyntaxError as error:
        if not _LOOKS_LIKE_CODE.search(source):
            raise _error(
                "no-code",
                None,
                "the text holds no code block and is not Python",
                f"give the code in one ```python block with {SIGNATURE}",
            ) from error
        text = f": {error.text.strip()[:120]}" if error.text else ""
        raise _error(
            "syntax", error.lineno, f"syntax error, {error.msg}{text}", "correct the syntax"
        ) from error
    except ValueError as error:
        raise _error("syntax", None, f"not Python: {error}", "correct the syntax") from error
    except (MemoryError, RecursionError) as error:
        raise _error(
            "too-deep",
            None,
            "the code is nested too deeply to be parsed",
            "split long expressions into several assignments",
            "policy",
        ) from error


def _without_script(source: str, tree: ast.Module) -> str:
    """Blank out what a file does when it is run as a script; all lines keep their numbers."""
    lines = source.split("\n")
    for node in tree.body:
        if _is_script(node):
            last = node.end_lineno or node.lineno
            lines[node.lineno - 1 : last] = [""] * (last - node.lineno + 1)
    return _normalized("\n".join(lines))


def _is_script(node: ast.stmt) -> bool:
    match node:
        case ast.If(
            test=ast.Compare(
                left=ast.Name("__name__"), ops=[ast.Eq()], comparators=[ast.Constant("__main__")]
            ),
            orelse=[],
        ):
            return True
        case _:
            return False


def _check_signature(tree: ast.Module) -> None:
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    entries = [node for node in functions if node.name == ENTRY]
    if not entries:
        others = more([shortened(node.name, 60) for node in functions], _FEW)
        defined = f" (it defines {others})" if others else ""
        raise _error(
            "no-function", None, f"the code has no function {ENTRY}{defined}", f"write {SIGNATURE}"
        )
    if len(entries) > 1:
        raise _error(
            "several-functions",
            entries[1].lineno,
            f"{ENTRY} is defined {len(entries)} times",
            "keep one of them",
        )
    arguments = entries[0].args
    positional = [*arguments.posonlyargs, *arguments.args]
    required = len(positional) - len(arguments.defaults)
    keyword_required = sum(default is None for default in arguments.kw_defaults)
    if required != 3 or keyword_required or arguments.vararg or arguments.kwarg:
        raise _error(
            "signature",
            entries[0].lineno,
            f"{ENTRY} takes ({_listed(arguments)}), not (state, action, next_state)",
            f"write {SIGNATURE}; features are read as state.name and next_state.name",
        )


def _listed(arguments: ast.arguments) -> str:
    """Return the parameters without their defaults, which may be of any size."""
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    names += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    names += [argument.arg for argument in arguments.kwonlyargs]
    names += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    return more([shortened(name, 60) for name in names], 2 * _FEW)
