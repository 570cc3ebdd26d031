"""What can be the name of a person or a tenant."""

from app.errors import Problem


def name_problems(name: str, longest: int) -> dict[str, list[Problem]]:
    """What keeps this from being a name, under "name"; empty if nothing does."""
    name = name.strip()
    if not name:
        return {"name": [Problem("required", "A name is missing.")]}
    if len(name) > longest:
        return {"name": [Problem("too_long", f"A name has at most {longest} characters.")]}
    if not name.isprintable():
        return {"name": [Problem("invalid", "A name has letters and signs only.")]}
    return {}
