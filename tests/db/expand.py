"""What a revision does that the code before it, still running during a deploy, would not survive."""

import ast
from pathlib import Path
from typing import Final

FREE: Final = "0030"
"""Up to this revision nothing had been released: it may do anything."""
_NEVER: Final = {
    "drop_column": "takes a column away",
    "drop_table": "takes a table away",
    "rename_table": "renames a table",
}
_EXCUSE: Final = "CONTRACTS"
"""Name of a module's constant that says since which release no code uses what it takes away."""


def complaints(source: str) -> list[str]:
    """What breaks running code in `upgrade`, a sentence each."""
    tree = ast.parse(source)
    if any(isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == _EXCUSE for node in tree.body):
        return []
    upgrade = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "upgrade"), None)
    if upgrade is None:
        return ["has no upgrade"]
    calls = [node for node in ast.walk(upgrade) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    made = {_text(call.args[0]) for call in calls if _name(call) == "create_table" and call.args}
    return [said for call in calls if (said := _complaint(call, made))]


def _complaint(call: ast.Call, made: set[str]) -> str | None:
    name = _name(call)
    words = {keyword.arg: keyword.value for keyword in call.keywords}
    table = _text(call.args[1 if name == "create_index" else 0]) if call.args else ""
    if name in _NEVER:
        return f"{_NEVER[name]}: {table}"
    if table in made and name != "execute":
        return None
    if name == "alter_column" and (words.keys() & {"new_column_name", "type_"} or _is(words.get("nullable"), False)):
        return f"changes a column of {table}"
    if name == "add_column" and isinstance(call.args[1], ast.Call):
        column = {keyword.arg: keyword.value for keyword in call.args[1].keywords}
        if _is(column.get("nullable"), False) and "server_default" not in column:
            return f"adds a compulsory column to {table} without a default"
    if name == "create_index":
        return f"builds an index while nobody can write {table}: app.db.expand.add_index"
    if name in {"create_foreign_key", "create_check_constraint"} and not _is(words.get("postgresql_not_valid"), True):
        return "checks every row while nobody can write: NOT VALID, then VALIDATE in a later revision"
    if name == "create_unique_constraint":
        return "builds an index while nobody can write: app.db.expand.add_index(unique=True)"
    return None


def _name(call: ast.Call) -> str:
    assert isinstance(call.func, ast.Attribute)
    return call.func.attr


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def later_than_free(folder: Path) -> list[Path]:
    """Files of the revisions that the rules hold for."""
    return [file for file in sorted(folder.glob("v*.py")) if file.stem[1:5] > FREE]
