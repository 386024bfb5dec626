"""What a person is told of a variable that cannot be used: its name and what is wrong, never its value.

A value may be a password. Settings hide it from their errors too (`hide_input_in_errors`), for whoever logs one.
"""

from pydantic import BaseModel, ValidationError

PREFIX = "ADVOLINK_"
"""What every variable begins with. A field without an alias is named after its settings' own prefix."""


def told(error: ValidationError, settings: type[BaseModel]) -> str:
    """The first fault of `settings`, as a sentence."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    said = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:  # of several variables together
        return f"The variables cannot be used: {said}."
    name = str(first["loc"][0])
    if not name.startswith(PREFIX):
        name = f"{dict(settings.model_config).get('env_prefix', PREFIX)}{name}".upper()
    if first["type"] == "missing":
        return f"The variable {name} is not set."
    return f"The variable {name} cannot be used: {said}."
