"""Who asks for something, and what that one may do; what goes wrong where somebody may not.

AccountError       an account, a key or a password cannot be used; fit to be shown to who runs the server
Unknown            nobody is known by this password, key or cookie; it says no more than that
Forbidden          somebody is known who may not do this
Limited            somebody asks too often; `seconds` says after how long to ask again
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from app.errors import AppError, InputError

Role = Literal["user", "rater", "admin"]
Scope = Literal["chat", "check", "sources", "ratings", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
ALLOWED: Final[dict[Role, frozenset[Scope]]] = {  # what each role may do at all
    "user": frozenset({"chat", "check", "sources"}),
    "rater": frozenset({"chat", "check", "sources", "ratings"}),
    "admin": frozenset(SCOPES),
}


class AccountError(InputError):
    """An account, a key or a password that cannot be used."""


class Unknown(AppError):
    """Nobody is known by what was given."""


class Forbidden(AppError):
    """Somebody who is known may not do this."""


class Limited(AppError):
    """Somebody asks too often; `seconds` says after how long to ask again."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the id and name of an account, its role, and the scopes of what it came with.

    `key` is the id of an API key, "" for a login of the page. `per_minute` and `per_day` are the turns that the account
    is allowed, None where the settings say.
    """

    account: str
    name: str
    role: Role
    scopes: frozenset[Scope]
    key: str = ""
    per_minute: int | None = None
    per_day: int | None = None

    def may(self, scope: Scope) -> bool:
        """Whether this one may do what the scope stands for."""
        return scope in self.scopes

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless this one may do what the scope stands for."""
        if scope not in self.scopes:
            raise Forbidden(f"this needs the scope {scope!r}, which {'the key' if self.key else self.name} lacks")


def scopes_of(role: Role, given: list[str] | tuple[str, ...] | None = None) -> frozenset[Scope]:
    """Return the scopes of a role, of which a key may have been given some only."""
    allowed = ALLOWED[role]
    return allowed if given is None else frozenset(scope for scope in allowed if scope in given)
