"""Who is calling."""

from msgspec import Struct

from keepstone.core.exchange import DataClass


class Principal(Struct, frozen=True):
    """An identified caller.

    `models` and `operations` narrow what the roles allow (a scope): empty means not narrowed. `data_class` is
    the least class that its calls carry, whatever a request header says. `signed_in` is when a person proved
    who they are, in seconds since the epoch (0: not known), `methods` and `level` how (`amr`, `acr`).
    """

    id: str
    kind: str
    roles: tuple[str, ...]
    models: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    data_class: DataClass = DataClass.PUBLIC
    key_id: str = ""
    tenant: str = ""
    signed_in: float = 0
    methods: tuple[str, ...] = ()
    level: str = ""

    @property
    def full_id(self) -> str:
        """Return the id, behind that of its tenant if it has one: two tenants may have an Ada each."""
        return f"{self.tenant}/{self.id}" if self.tenant else self.id
