"""Stack traces: what was thrown and where, without line numbers, addresses and the framework's frames.

Java, Kotlin, Scala, .NET, Node, Python, Ruby, PHP and Go, each as its runtime prints them.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

_MOST_LINES: Final = 400
_MOST_FRAMES: Final = 2  # the innermost two of the application
_MOST_THROWN: Final = 4  # the exception and its causes

_IS_TRACE: Final = re.compile(
    r"""
      ^[ \t]+at\ [\w$.<>/ \[\]]+[(:]               # Java, .NET, Node
    | ^[ \t]*File\ "[^"\n]+",\ line\ \d+           # Python
    | ^[ \t]*(?:from\ )?[^\s:]+\.rb:\d+:in\        # Ruby
    | ^\#\d+\ \S+\(\d+\)                           # PHP
    | ^goroutine\ \d+\ \[                          # Go
    """,
    re.VERBOSE | re.MULTILINE,
)
_AT: Final = re.compile(r"\s*at (?:async |new )?(?:[\w.@-]+/)*([^\s(/]+)[^(]*(?:\(([^)]*)\))?(.*)")
_FILE: Final = re.compile(r'\s*File "([^"]+)", line \d+(?:, in (.+))?')
_RUBY: Final = re.compile(r"\s*(?:from )?([^\s:]+\.rb):\d+:in [`'](?:[\w:]+[#.])?([^']+)'")
_PHP: Final = re.compile(r"#\d+ (\S+)\(\d+\): ([^(\s]+)")
_GO_FILE: Final = re.compile(r"\s+(\S+\.go):\d+")
_DOTNET_FILE: Final = re.compile(r" in (\S.*):line \d+")
_LINE_NUMBERS: Final = re.compile(r"(?::\d+){1,2}$")
_JVM_FILE: Final = re.compile(r"\.(?:java|kt|scala|groovy)$")
_INTRODUCTION: Final = re.compile(
    r"""
    (?:
        Caused\ by:\s | Suppressed:\s | Exception\ in\ thread\ "[^"]*"\s | Unhandled\ exception[.:]\s
      | (?:PHP\ Fatal\ error:\s+)?Uncaught\s
    )?
    """,
    re.VERBOSE,
)
_NAME: Final = re.compile(r"[A-Za-z_][\w$.\\]*")
_EXCEPTION: Final = re.compile(r"Error|Exception|Throwable|Fault|Failure|Warning|Interrupt|Exit")
_FOREIGN_NAME: Final = re.compile(
    r"""
    (?: java | javax | jdk | sun | com\.sun | jakarta | kotlin | kotlinx | scala | akka | groovy | clojure
      | org\.(?:springframework|apache|hibernate|eclipse|jboss|postgresql|junit|aspectj|mybatis)
      | io\.(?:netty|undertow|vertx|micrometer|grpc) | reactor
      | com\.(?:zaxxer|mysql|fasterxml|google\.common)
      | System | Microsoft
      | runtime | net/http | reflect
      | node: | internal | process | Module | Promise
    )\b
    """,
    re.VERBOSE,
)
_FOREIGN_PATH: Final = re.compile(
    r"""
      site-packages | dist-packages | /lib/python\d | <frozen
    | node_modules | node: | /internal/ | <anonymous>
    | vendor/ | /gems/ | /rubygems/
    """,
    re.VERBOSE,
)
_NUMBERED: Final = re.compile(r"\d+")


class Trace(Struct, frozen=True):
    """What a stack trace says."""

    thrown: tuple[str, ...]  # the exceptions as printed, `Type: message`, the outermost first
    frames: tuple[str, ...]  # names of functions in the application's own code, the innermost first


def trace_of(text: str) -> Trace | None:
    """The stack trace in the text; None if there is none."""
    text = _unfolded(text)
    if "\n" not in text or _IS_TRACE.search(text) is None:
        return None
    lines = text.split("\n", _MOST_LINES)[:_MOST_LINES]
    python = any(line.lstrip().startswith('File "') for line in lines)
    frames = _frames(lines, go="goroutine " in text)
    innermost_first = frames[::-1] if python else frames
    return Trace(tuple(_thrown(lines, python=python)), tuple(innermost_first[:_MOST_FRAMES]))


def file_of(text: str) -> str:
    """The file of the innermost frame of the application's own, as the trace names it; "" without one.

    A JVM prints a class and a file's bare name: the package's folders are put before it.
    """
    text = _unfolded(text)
    if _IS_TRACE.search(text) is None:
        return ""
    lines = text.split("\n", _MOST_LINES)[:_MOST_LINES]
    go = "goroutine " in text
    found = ""
    for place, line in enumerate(lines):
        if line.startswith(("Caused by:", "created by")) and found:
            break
        following = lines[place + 1] if place + 1 < len(lines) else ""
        if _frame(line, go=go) and (file := _file(line, following, go=go)):
            found = file
            if not line.lstrip().startswith('File "'):  # Python's innermost frame is the last
                break
    return found


def _file(line: str, following: str, *, go: bool) -> str:
    """The file that a frame line names; Go's stands on the next."""
    stripped = line.lstrip()
    if stripped.startswith('File "') and (found := _FILE.match(line)):
        return found[1]
    if ".rb:" in line and (found := _RUBY.match(line)):
        return found[1]
    if line.startswith("#") and (found := _PHP.match(line)):
        return found[1]
    if go and (found := _GO_FILE.match(following)):
        return found[1]
    if stripped.startswith("at ") and (found := _AT.match(line)):
        return _named_file(found[1], found[2] or "", found[3])
    return ""


def _named_file(name: str, place: str, rest: str) -> str:
    """Of `a.b.Pay.run(Pay.java:3)`, `run (/srv/app/pay.js:3:7)`, `Shop.Pay.Run() in /srv/Pay.cs:line 3`."""
    if found := _DOTNET_FILE.search(rest):
        return found[1]
    file = _LINE_NUMBERS.sub("", place or name)
    if not place:
        return file if "/" in file else ""
    if "/" in file or not _JVM_FILE.search(file):
        return file.removeprefix("file://")
    of_class = name.rpartition(".")[0].split("$")[0]  # without the function, and classes within classes
    return "/".join([*of_class.split(".")[:-1], file])


def _unfolded(text: str) -> str:
    """A trace within one line of JSON, as the lines it stands for."""
    if "\n" in text or ("\\n\\tat " not in text and '\\n  File \\"' not in text):
        return text
    return text.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')


def _thrown(lines: list[str], *, python: bool) -> list[str]:
    """What the lines that name an exception say; else the line where the runtime puts it."""
    said = [line.strip() for line in lines if line.strip() and line[:1] not in " \t"]
    found = [text for text in map(_exception, said) if text]
    if found:
        return [*found[: _MOST_THROWN - 1], *found[_MOST_THROWN - 1 :][-1:]]
    return said[-1:] if python else said[:1]


def _exception(line: str) -> str:
    """`Type: message` of a line that names an exception; empty for any other line."""
    if line.startswith(("panic: ", "fatal error: ")):
        return line
    introduction = _INTRODUCTION.match(line)
    line = line[introduction.end() :] if introduction else line
    name = _NAME.match(line)
    if name is None or not _EXCEPTION.search(name[0]):
        return ""
    return line.removesuffix(": null") if line[name.end() :].lstrip()[:1] in {"", ":", "("} else ""


def _frames(lines: list[str], *, go: bool) -> list[str]:
    """Names of the application's frames as printed, from the first block of frames of each trace."""
    frames: list[str] = []
    for line in lines:
        if line.startswith(("Caused by:", "created by")):
            break
        name = _frame(line, go=go)
        if name and (not frames or frames[-1] != name):
            frames.append(name)
    return frames


def _frame(line: str, *, go: bool) -> str:
    """The function's name in a frame line of the application's own; empty for any other line."""
    stripped = line.lstrip()
    if stripped.startswith("at "):
        found = _AT.match(line)
        return _named(found[1], (found[2] or "") + found[3]) if found else ""
    if stripped.startswith('File "'):
        found = _FILE.match(line)
        return _placed(found[1], found[2] or "") if found else ""
    if ".rb:" in line and (found := _RUBY.match(line)):
        return _placed(found[1], found[2])
    if line.startswith("#") and (found := _PHP.match(line)):
        return _placed(found[1], found[2])
    if go and line.endswith(")"):
        path = line.rpartition("(")[0]
        return _named(path.rpartition("/")[2], path) if "." in path and " " not in path else ""
    return ""


def _named(name: str, place: str) -> str:
    """Java, .NET, Node and Go print the function's full name."""
    if _FOREIGN_NAME.match(name) or _FOREIGN_PATH.search(place) or "$$" in name or "GeneratedMethod" in name:
        return ""
    if place.startswith("index ") or name.startswith(("/", "file:")):
        return ""
    return _NUMBERED.sub("", name)


def _placed(path: str, function: str) -> str:
    """Python, Ruby and PHP print the file; its base name is enough to know the function by."""
    if _FOREIGN_PATH.search(path):
        return ""
    return _NUMBERED.sub("", f"{path.rpartition('/')[2]}:{function}")
