"""The reference and the list of papers, made from the docstrings of what the stubs say is public."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from html import escape
from pathlib import Path
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonConsoleLexer, PythonLexer

SRC = Path(__file__).parents[1] / "src" / "vfmeta"
MODULES = ("", "bayes", "bayes.models", "networks", "appraisal", "plots", "convert", "priors", "evidence")
_LISTS = {"Parameters", "Returns", "Raises", "Attributes", "Yields", "Warns"}
_PAPER = re.compile(
    r"((?:(?:(?:[Vv]an|[Dd]e[nr]?|von) )*[A-Z][\w’'-]+(?: [A-Z][\w’'-]+)?(?:, | & | and | et al\.? ?)?)+) ?"
    r"\(?(\d{4})[a-z]?\)?,? ?\(?"
    r"((?:[A-Z][A-Za-z]*\.? )(?:[A-Za-z&]+\.? )*\d+(?:\(\d+\))?:[e\d][\w-]*)"
)


def coloured(code: str, *, console: bool = False) -> str:
    """Code as HTML, its parts in classes."""
    lexer: Any = PythonConsoleLexer() if console else PythonLexer()
    return f'<pre class="code" tabindex="0"><code>{highlight(code, lexer, HtmlFormatter(nowrap=True)).rstrip()}</code></pre>'


def page_of(module: str) -> str:
    """Name of the page of a module."""
    return "reference-" + (f"vfmeta.{module}" if module else "vfmeta").replace(".", "-") + ".html"


def public() -> dict[str, dict[str, Any]]:
    """Functions and classes by module and name: those of a package's stub, or of its ``__all__`` where it has none."""
    found = {}
    for module in MODULES:
        home = importlib.import_module(f"vfmeta.{module}" if module else "vfmeta")
        stub = SRC.joinpath(*module.split(".") if module else (), "__init__.pyi")
        if stub.is_file():
            tree = ast.parse(stub.read_text(encoding="utf-8"))
            names = [a.asname for x in tree.body if isinstance(x, ast.ImportFrom) for a in x.names if a.asname]
        else:
            names = list(home.__all__)
        things = {name: getattr(home, name) for name in names}
        found[module] = {name: x for name, x in things.items() if callable(x)}
    return found


class Reference:
    """Pages of the public names, each knowing where the others are."""

    def __init__(self) -> None:
        self.names = public()
        self.where = {
            ".".join(x for x in (module, name) if x): f"{page_of(module)}#{name}"
            for module in reversed(MODULES)
            for name in self.names[module]
        }

    def text(self, words: str, module: str) -> str:
        """A line of a docstring, its literals as code and its names as links."""

        def named(m: re.Match[str]) -> str:
            name = m[1].removeprefix("vfmeta.").removeprefix("vf.")
            to = self.where.get(f"{module}.{name}" if module else name) or self.where.get(name)
            return f'<a href="{to}"><code>{m[1]}</code></a>' if to else f"<code>{m[1]}</code>"

        parts = re.split(r"``(.+?)``", escape(words, quote=False))
        return "".join(f"<code>{x}</code>" if i % 2 else re.sub(r"`([^`]+)`", named, x) for i, x in enumerate(parts))

    def paragraphs(self, words: str, module: str) -> str:
        made = []
        for part in re.split(r"\n\s*\n", words.strip()):
            if part.lstrip().startswith("- "):
                items = re.split(r"^\s*- ", part, flags=re.MULTILINE)[1:]
                made.append("<ul>" + "".join(f"<li>{self.text(x.strip(), module)}</li>" for x in items) + "</ul>")
            else:
                made.append(f"<p>{self.text(part, module)}</p>")
        return "\n".join(made)

    def items(self, words: str, module: str) -> str:
        """A section of terms with indented descriptions."""
        made = []
        for part in re.split(r"\n(?=\S)", words.strip()):
            term, _, rest = part.partition("\n")
            made.append(f"<dt>{self.text(term, module)}</dt>")
            if rest.strip():
                made.append(f"<dd>{self.text(inspect.cleandoc(rest), module)}</dd>")
        return "<dl>" + "\n".join(made) + "</dl>"

    def docstring(self, doc: str, module: str) -> str:
        head, *rest = re.split(r"^([A-Z][a-z]+(?: [A-Z][a-z]+)?)\n-{3,}$", doc, flags=re.MULTILINE)
        made = [self.paragraphs(head, module)] if head.strip() else []
        for name, words in zip(rest[::2], rest[1::2], strict=True):
            made.append(f"<h4>{name}</h4>")
            if name == "Examples":
                made.append(coloured(inspect.cleandoc(words), console=True))
            else:
                made.append((self.items if name in _LISTS else self.paragraphs)(words, module))
        return "\n".join(made)

    def entry(self, module: str, name: str, thing: Any) -> str:
        shown = f"vf.{module}.{name}" if module else f"vf.{name}"
        made = [f'<section class="entry"><h2 id="{name}"><code>{shown}</code></h2>', coloured(_signature(shown, thing))]
        made.append(self.docstring(inspect.getdoc(thing) or "", module))
        if inspect.isclass(thing):
            made += self.members(module, thing)
        return "\n".join([*made, "</section>"])

    def members(self, module: str, thing: type) -> list[str]:
        found = [
            (name, member)
            for name, member in inspect.getmembers(thing)
            if not name.startswith("_") and (callable(member) or isinstance(member, property)) and _ours(member)
        ]
        lines = []
        for name, member in found:
            first = (inspect.getdoc(member) or "").partition("\n\n")[0]
            lines.append(
                f"<dt><code>{name}{'' if isinstance(member, property) else '()'}</code></dt><dd>{self.text(first, module)}</dd>"
            )
        return ["<h4>Methods and properties</h4><dl>", *lines, "</dl>"] if lines else []

    def page(self, module: str) -> str:
        """All entries of a module, under a list of them."""
        home = importlib.import_module(f"vfmeta.{module}" if module else "vfmeta")
        title = f"vfmeta.{module}" if module else "vfmeta"
        listed = "".join(
            f'<li><a href="#{name}"><code>{name}</code></a> {self.text(_first(thing), module)}</li>'
            for name, thing in self.names[module].items()
        )
        entries = "\n".join(self.entry(module, name, thing) for name, thing in self.names[module].items())
        about = self.paragraphs(inspect.getdoc(home) or "", module)
        return f"<h1><code>{title}</code></h1>\n{about}\n<ul>{listed}</ul>\n{entries}"

    def index(self) -> str:
        """Every public name with its first line, by module."""
        made = []
        for module, names in self.names.items():
            made.append(
                f'<h2><a href="{page_of(module)}"><code>{f"vfmeta.{module}" if module else "vfmeta"}</code></a></h2><ul>'
            )
            made += [
                f'<li><a href="{page_of(module)}#{name}"><code>{name}</code></a> {self.text(_first(thing), module)}</li>'
                for name, thing in names.items()
            ]
            made.append("</ul>")
        return "\n".join(made)

    def methods(self) -> str:
        """Papers by public name, and those of the estimators of tau2."""
        from vfmeta.kernels.tau2 import ESTIMATORS

        made = ["<h2>Estimators of the between-study variance</h2><dl>"]
        made += [f"<dt><code>{name}</code></dt><dd>{escape(x.paper)}</dd>" for name, x in ESTIMATORS.items()]
        made.append("</dl>")
        for module, names in self.names.items():
            with_papers = {name: found for name, thing in names.items() if (found := papers(inspect.getdoc(thing) or ""))}
            if not with_papers:
                continue
            made.append(f'<h2><code>{f"vfmeta.{module}" if module else "vfmeta"}</code></h2><dl class="papers">')
            for name, found in with_papers.items():
                lines = "<br>".join(map(escape, found))
                about = self.text(_first(names[name]), module)
                made.append(f'<dt><a href="{page_of(module)}#{name}"><code>{name}</code></a> {about}</dt><dd>{lines}</dd>')
            made.append("</dl>")
        return "\n".join(made)


def papers(doc: str) -> list[str]:
    """The papers a docstring names: authors, year, journal, volume and pages."""
    flat = re.sub(r"\s+", " ", doc)
    return list(dict.fromkeys(f"{who.strip(' ,')} {year}, {where}" for who, year, where in _PAPER.findall(flat)))


def _first(thing: Any) -> str:
    return re.sub(r"\s+", " ", (inspect.getdoc(thing) or "").partition("\n\n")[0])


def _ours(member: Any) -> bool:
    at = member.fget if isinstance(member, property) else member
    return str(getattr(at, "__module__", "")).startswith("vfmeta")


def _signature(shown: str, thing: Any) -> str:
    """The call, a line an argument where it is long; annotations as they stand in the code."""
    try:
        taken = inspect.signature(thing)
    except ValueError:  # an exception has none
        return shown
    words = [re.sub(r": '([^']+)'", r": \1", str(x)) for x in taken.parameters.values()]
    at = next((i for i, x in enumerate(taken.parameters.values()) if x.kind is x.KEYWORD_ONLY), None)
    if at is not None and not any(x.kind is x.VAR_POSITIONAL for x in taken.parameters.values()):
        words.insert(at, "*")
    back = taken.return_annotation
    end = ")" + ("" if back is inspect.Signature.empty or inspect.isclass(thing) else f" -> {getattr(back, '__name__', back)}")
    line = f"{shown}({', '.join(words)}{end}"
    return line if len(line) < 90 else f"{shown}(\n    " + ",\n    ".join(words) + f",\n{end}"
